// MNIST, Fashion-MNIST and their kind: images and labels in two IDX files.
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "ailab/ailab.hpp"
#include "idx_file.hpp"
#include "options/limits.hpp"
#include "options/placed.hpp"
#include "pixel_scale.hpp"

namespace ailab {
namespace {

struct IdxOptions {
    Placed<std::string> root;
    bool train = true;
    Placed<std::string> images;
    Placed<std::string> labels;
    std::optional<int64_t> num_classes;
    double mean = 0;
    double std = 1;
    std::optional<int64_t> limit;

    void visit(OptionVisitor& v) {
        v.option("root", root,
                 "folder with the files of MNIST's names: train-images-idx3-ubyte, "
                 "t10k-labels-idx1-ubyte, …, plain or .gz");
        v.option("train", train, "of root: the train files, else the t10k files");
        v.option("images", images, "in place of root: file of the images, plain or gzip");
        v.option("labels", labels, "in place of root: file of the labels, plain or gzip");
        v.option("num_classes", num_classes, "checked against the labels", size_from(1));
        v.option("mean", mean, "subtracted from the pixels, which are scaled to 0 … 1");
        v.option("std", std, "what the pixels are then divided by", above(0));
        v.option("limit", limit, "take only the first samples", samples_from(1));
        v.rule([this]() -> std::string {
            const bool files = !images.value.empty();
            if (files == labels.value.empty()) return "images and labels go together";
            if (files != root.value.empty()) return "give either root, or images and labels";
            return "";
        });
    }
    /// The file that `given` names, or root's of this kind. Throws ConfigError when it is not
    /// there.
    std::string path(const Placed<std::string>& given, const char* kind) const {
        if (given.value.empty()) {
            const std::filesystem::path folder(root.value);
            const std::string name = folder / (std::string(train ? "train-" : "t10k-") + kind);
            if (const auto found = plain_or_gzip(name)) return *found;
            throw ConfigError({{root.place, concat("IDX: neither ", name, " nor ", name,
                                                   ".gz exists. Check root")}});
        }
        if (::access(given.value.c_str(), R_OK) == 0) return given.value;
        throw ConfigError(
            {{given.place, concat("IDX: cannot open ", given.value, ": ", std::strerror(errno))}});
    }
};

class IDX final : public Dataset {
  public:
    using Options = IdxOptions;

    explicit IDX(const Options& options)
        : images_(options.path(options.images, "images-idx3-ubyte"), 3, options.limit.value_or(-1)),
          labels_(options.path(options.labels, "labels-idx1-ubyte"), 1, options.limit.value_or(-1)),
          num_classes_(options.num_classes),
          mean_(options.mean),
          std_(options.std),
          scale_(options.mean, options.std) {
        if (images_.count() != labels_.count())
            throw Error(concat("the counts of images and labels differ: ", images_.path(), " has ",
                               images_.count(), " images, ", labels_.path(), " has ",
                               labels_.count(), " labels"));
    }

    int64_t size() const override { return images_.available(); }
    std::optional<int64_t> num_classes() const override { return num_classes_; }

    std::vector<int64_t> labels() const override {
        const uint8_t* first = labels_.item(0);
        return {first, first + labels_.available()};
    }
    std::string label_place(int64_t index) const override {
        return concat(labels_.path(), ", label ", index);
    }

    /// Of what the files hold, plain or gzip.
    DataDigest digest() const override {
        DataDigest digest = digest_without_names();
        std::vector<std::string> shape;
        for (const int64_t size : images_.shape()) shape.push_back(std::to_string(size));
        digest["shape of the images"] = join(shape, " x ");
        const auto* labels = reinterpret_cast<const char*>(labels_.item(0));
        digest["labels"] = Digest().add({labels, size_t(labels_.available())}).str();
        return digest;
    }

    /// Grey, of the size of its images, and scaled as they are.
    std::optional<ImageInput> image_input() const override {
        ImageInput image{.reader = {.color = "gray"}};
        Node resize = node_of_type("Resize"), normalize = node_of_type("Normalize");
        resize.set("size", Node::list({Node(height()), Node(width())}));
        normalize.set("mean", Node::list({Node(mean_)}));
        normalize.set("std", Node::list({Node(std_)}));
        image.transforms = Node::list({std::move(resize), std::move(normalize)});
        return image;
    }

    Sample get(int64_t index, const SampleContext&) const override {
        use_files();
        Tensor input = at::empty({1, height(), width()}, at::kFloat);
        scale_.apply(images_.item(index), images_.item_size(), input.mutable_data_ptr<float>());
        return Sample(std::move(input),
                      at::scalar_tensor(int64_t(*labels_.item(index)), at::kLong));
    }

    bool has_batches() const override { return true; }

    void get_batch(std::span<const int64_t> indices, const SampleContext&,
                   Batch& batch) const override {
        use_files();
        const auto count = int64_t(indices.size());
        Tensor& input = ensure(batch, "input", {count, 1, height(), width()}, at::kFloat,
                               /*channels_last=*/true);
        Tensor& target = ensure(batch, "target", {count}, at::kLong);
        auto* pixels = input.mutable_data_ptr<float>();
        auto* labels = target.mutable_data_ptr<int64_t>();
        const int64_t size = images_.item_size();
        for (size_t i = 0; i < indices.size(); ++i) {
            if (i + 1 < indices.size()) prefetch(images_.item(indices[i + 1]), size);
            scale_.apply(images_.item(indices[i]), size, pixels + int64_t(i) * size);
            labels[i] = *labels_.item(indices[i]);
        }
    }

  private:
    void use_files() const {
        images_.use();
        labels_.use();
    }

    int64_t height() const { return images_.shape()[1]; }
    int64_t width() const { return images_.shape()[2]; }

    /// A shuffled batch jumps through memory: the next image comes while this one is converted.
    static void prefetch(const uint8_t* image, int64_t size) {
        constexpr int64_t line = 64, most = 4096;  // the processor foresees the rest
        for (int64_t i = 0; i < std::min(size, most); i += line) __builtin_prefetch(image + i);
    }

    const IdxFile images_;
    const IdxFile labels_;
    const std::optional<int64_t> num_classes_;
    const double mean_;
    const double std_;
    const PixelScale scale_;
};

}  // namespace

AILAB_REGISTER_DATASET(IDX, "Images and labels in IDX files (MNIST, Fashion-MNIST), plain or gzip")

}  // namespace ailab
