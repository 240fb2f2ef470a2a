// MNIST, Fashion-MNIST and their kind: images and labels in two IDX files.
#include <array>
#include <filesystem>

#include "ailab/ailab.hpp"
#include "idx_file.hpp"

namespace ailab {
namespace {

struct IdxOptions {
    std::string root;
    bool train = true;
    std::string images;
    std::string labels;
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
        v.option("num_classes", num_classes, "checked against the labels", at_least(1));
        v.option("mean", mean, "subtracted from the pixels, which are scaled to 0 … 1");
        v.option("std", std, "what the pixels are then divided by", above(0));
        v.option("limit", limit, "take only the first samples", at_least(1));
        v.rule([this]() -> std::string {
            if (images.empty() != labels.empty()) return "images and labels go together";
            if (root.empty() == images.empty()) return "give either root, or images and labels";
            return "";
        });
    }
    std::string path(const std::string& given, const char* kind) const {
        if (!given.empty()) return given;
        const std::filesystem::path folder(root);
        return plain_or_gzip(folder / (std::string(train ? "train-" : "t10k-") + kind));
    }
};

class IDX final : public Dataset {
  public:
    using Options = IdxOptions;

    explicit IDX(const Options& options)
        : images_(options.path(options.images, "images-idx3-ubyte"), 3, options.limit.value_or(-1)),
          labels_(options.path(options.labels, "labels-idx1-ubyte"), 1, options.limit.value_or(-1)),
          num_classes_(options.num_classes) {
        if (images_.count() != labels_.count())
            throw Error(concat("the counts of images and labels differ: ", images_.path(), " has ",
                               images_.count(), " images, ", labels_.path(), " has ",
                               labels_.count(), " labels"));
        check_labels();
        // As torchvision computes it, so that the numbers are the same to the last bit.
        for (size_t i = 0; i < table_.size(); ++i)
            table_[i] = (float(i) / 255.0F - float(options.mean)) / float(options.std);
    }

    int64_t size() const override { return images_.available(); }
    std::optional<int64_t> num_classes() const override { return num_classes_; }

    Sample get(int64_t index, const SampleContext&) const override {
        Tensor input = at::empty({1, height(), width()}, at::kFloat);
        convert(index, input.mutable_data_ptr<float>());
        return Sample(std::move(input),
                      at::scalar_tensor(int64_t(*labels_.item(index)), at::kLong));
    }

    bool has_batches() const override { return true; }

    void get_batch(std::span<const int64_t> indices, const SampleContext&,
                   Batch& batch) const override {
        const auto count = int64_t(indices.size());
        Tensor& input = ensure(batch, "input", {count, 1, height(), width()}, at::kFloat,
                               /*channels_last=*/true);
        Tensor& target = ensure(batch, "target", {count}, at::kLong);
        auto* pixels = input.mutable_data_ptr<float>();
        auto* labels = target.mutable_data_ptr<int64_t>();
        for (size_t i = 0; i < indices.size(); ++i) {
            convert(indices[i], pixels + int64_t(i) * images_.item_size());
            labels[i] = *labels_.item(indices[i]);
        }
    }

  private:
    int64_t height() const { return images_.shape()[1]; }
    int64_t width() const { return images_.shape()[2]; }

    void convert(int64_t index, float* to) const {
        const uint8_t* from = images_.item(index);
        for (int64_t i = 0; i < images_.item_size(); ++i) to[i] = table_[from[i]];
    }

    void check_labels() const {
        if (!num_classes_) return;
        for (int64_t i = 0; i < labels_.available(); ++i)
            if (*labels_.item(i) >= *num_classes_)
                throw Error(concat(labels_.path(), ": label ", int(*labels_.item(i)), " of sample ",
                                   i, " is outside of the classes 0 … ", *num_classes_ - 1,
                                   ". Check num_classes"));
    }

    const IdxFile images_;
    const IdxFile labels_;
    const std::optional<int64_t> num_classes_;
    std::array<float, 256> table_{};  // a pixel's byte -> its normalised value
};

}  // namespace

AILAB_REGISTER_DATASET(IDX, "Images and labels in IDX files (MNIST, Fashion-MNIST), plain or gzip")

}  // namespace ailab
