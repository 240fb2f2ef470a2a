// CIFAR-10 and CIFAR-100 (Krizhevsky, "Learning Multiple Layers of Features from Tiny Images",
// 2009), as the archives of its page unpack: the binary version and the one for Python.
#include <cstring>
#include <filesystem>
#include <sstream>

#include "ailab/ailab.hpp"
#include "ailab/datasets/pickled_fields.hpp"
#include "ailab/datasets/task.hpp"
#include "ailab/support/watched_file.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

constexpr int64_t side = 32;
constexpr int64_t pixel_bytes = 3 * side * side;

struct Variant {
    const char* binary_folder;
    const char* python_folder;
    std::vector<std::string> train, test;  // names of files, without .bin
    int64_t label_bytes;                   // before an image; the last one counts
    const char* python_labels;
    const char* binary_names;
    const char* python_names;
    const char* python_names_key;
    int64_t classes;
};

const Variant& cifar10() {
    static const Variant variant = {
        "cifar-10-batches-bin",
        "cifar-10-batches-py",
        {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"},
        {"test_batch"},
        1,
        "labels",
        "batches.meta.txt",
        "batches.meta",
        "label_names",
        10};
    return variant;
}

const Variant& cifar100() {
    static const Variant variant = {
        "cifar-100-binary", "cifar-100-python",     {"train"}, {"test"},           2,
        "fine_labels",      "fine_label_names.txt", "meta",    "fine_label_names", 100};
    return variant;
}

struct CifarOptions {
    std::string root;
    bool train = true;

    void visit(OptionVisitor& v) {
        v.required("root", root, "the unpacked archive, binary or python, or the folder it is in");
        v.option("train", train, "the training images, else the test images");
    }
};

/// Images [n, 3, 32, 32] with the memory order H, W, C, and their labels.
struct Images {
    Tensor pixels;
    std::vector<int64_t> labels;
    std::vector<std::string> class_names;
};

class Archive {
  public:
    Archive(const Variant& variant, const CifarOptions& options) : variant_(variant) {
        const std::vector<std::string>& files = options.train ? variant.train : variant.test;
        for (const fs::path& folder :
             {fs::path(options.root), fs::path(options.root) / variant.binary_folder,
              fs::path(options.root) / variant.python_folder}) {
            binary_ = fs::exists(folder / (files[0] + ".bin"));
            // A folder of the archive's may be called as its file is.
            if (!binary_ && (!fs::exists(folder / files[0]) || fs::is_directory(folder / files[0])))
                continue;
            folder_ = folder;
            for (const std::string& name : files) read(name);
            images_.pixels = at::cat(parts_)
                                 .view({-1, 3, side, side})
                                 .contiguous(at::MemoryFormat::ChannelsLast);
            read_names();
            return;
        }
        throw ConfigError(concat(options.root, " holds neither ", files[0], ".bin nor ", files[0],
                                 ", nor a folder ", variant.binary_folder, " or ",
                                 variant.python_folder, ". Unpack the archive there"));
    }

    Images take() { return std::move(images_); }

  private:
    void read(const std::string& name) {
        const fs::path path = folder_ / (binary_ ? name + ".bin" : name);
        const size_t before = images_.labels.size();
        binary_ ? read_binary(path) : read_python(path);
        for (size_t i = before; i < images_.labels.size(); ++i)
            if (images_.labels[i] < 0 || images_.labels[i] >= variant_.classes)
                throw Error(concat(path.string(), ": image ", i - before, " has the label ",
                                   images_.labels[i], ", outside of 0 … ", variant_.classes - 1));
    }

    void read_binary(const fs::path& path) {
        const MappedFile file(path.string());
        const std::string_view bytes = file.text();
        const auto size = int64_t(bytes.size());
        const int64_t record = variant_.label_bytes + pixel_bytes;
        if (size == 0 || size % record != 0)
            throw Error(concat(path.string(), " has ", size, " bytes, which is no multiple of ",
                               record,
                               ", the bytes of an image and its label: it is cut or is "
                               "another file"));
        Tensor records = at::empty({size / record, record}, at::kByte);
        std::memcpy(records.mutable_data_ptr<uint8_t>(), bytes.data(), bytes.size());
        file.check();
        const Tensor labels = records.select(1, variant_.label_bytes - 1).to(at::kLong);
        append(labels, records.narrow(1, variant_.label_bytes, pixel_bytes));
    }

    void read_python(const fs::path& path) {
        const auto fields = read_pickled_fields(path.string());
        const auto tensor = [&](const char* key) {
            const auto found = fields.find(key);
            if (found == fields.end() || !std::holds_alternative<Tensor>(found->second))
                throw Error(
                    concat(path.string(), " has no array or list of numbers \"", key, "\""));
            return std::get<Tensor>(found->second);
        };
        const Tensor pixels = tensor("data"), labels = tensor(variant_.python_labels);
        if (pixels.dim() != 2 || pixels.size(1) != pixel_bytes ||
            pixels.scalar_type() != at::kByte || labels.numel() != pixels.size(0) ||
            !at::isIntegralType(labels.scalar_type(), /*includeBool=*/false))
            throw Error(concat(path.string(), ": data must be [n, ", pixel_bytes,
                               "] uint8 and go with n labels, which are whole numbers"));
        append(labels.to(at::kLong), pixels);
    }

    void append(const Tensor& labels, const Tensor& pixels) {
        const Tensor flat = labels.contiguous();
        const auto* numbers = flat.const_data_ptr<int64_t>();
        images_.labels.insert(images_.labels.end(), numbers, numbers + flat.numel());
        parts_.push_back(pixels);
    }

    void read_names() {
        std::vector<std::string>& names = images_.class_names;
        if (binary_ && fs::exists(folder_ / variant_.binary_names)) {
            const MappedFile file((folder_ / variant_.binary_names).string());
            std::istringstream lines{std::string(file.text())};
            std::string line;
            while (std::getline(lines, line)) {
                if (!line.empty() && line.back() == '\r') line.pop_back();
                if (!line.empty()) names.push_back(line);
            }
        } else if (!binary_ && fs::exists(folder_ / variant_.python_names)) {
            auto fields = read_pickled_fields((folder_ / variant_.python_names).string());
            if (auto* list =
                    std::get_if<std::vector<std::string>>(&fields[variant_.python_names_key]))
                names = *list;
        }
        if (int64_t(names.size()) != variant_.classes) names.clear();
    }

    const Variant& variant_;
    fs::path folder_;
    bool binary_ = false;
    Images images_;
    std::vector<Tensor> parts_;
};

class Cifar : public Dataset {
  public:
    using Options = CifarOptions;

    Cifar(const Variant& variant, const Options& options)
        : images_(Archive(variant, options).take()), classes_(variant.classes) {}

    int64_t size() const override { return int64_t(images_.labels.size()); }
    std::vector<std::string> fields() const override { return Classification::fields(); }
    std::optional<int64_t> num_classes() const override { return classes_; }
    std::vector<std::string> class_names() const override { return images_.class_names; }
    std::vector<int64_t> labels() const override { return images_.labels; }
    std::optional<ImageInput> image_input() const override {
        Node resize = node_of_type("Resize");
        resize.set("size", Node::list({Node(side), Node(side)}));
        return ImageInput{.transforms = Node::list({std::move(resize)})};
    }
    Sample get(int64_t index, const SampleContext&) const override {
        return Classification{.input = image_of(images_.pixels.select(0, index)),
                              .label = images_.labels.at(size_t(index))}
            .sample();
    }

  private:
    const Images images_;
    const int64_t classes_;
};

class CIFAR10 final : public Cifar {
  public:
    explicit CIFAR10(const Options& options) : Cifar(cifar10(), options) {}
};

class CIFAR100 final : public Cifar {
  public:
    explicit CIFAR100(const Options& options) : Cifar(cifar100(), options) {}
};

}  // namespace

AILAB_REGISTER_DATASET(CIFAR10, "CIFAR-10, its binary or python archive, unpacked")
AILAB_REGISTER_DATASET(CIFAR100, "CIFAR-100 with its 100 fine classes, binary or python, unpacked")

}  // namespace ailab
