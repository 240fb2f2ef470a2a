// A folder a class, as torchvision's ImageFolder.
#include "ailab/ailab.hpp"
#include "ailab/datasets/task.hpp"
#include "label_names.hpp"

namespace ailab {
namespace {

struct ImageFolderOptions : ClassFolders::Options {
    ImageReader::Options image;

    void visit(OptionVisitor& v) {
        ClassFolders::Options::visit(v);
        image.visit(v);
    }
};

class ImageFolder final : public StoredDataset<ClassFolders, Classification> {
  public:
    using Options = ImageFolderOptions;

    explicit ImageFolder(const Options& options)
        : StoredDataset(options),
          names_(source().classes()),
          image_options_(options.image),
          reader_(options.image) {
        number_classes_as(names_);
    }

    std::optional<int64_t> num_classes() const override { return int64_t(names_.size()); }
    std::vector<std::string> class_names() const override { return names_; }
    std::string label_place(int64_t index) const override { return source().place(index); }
    bool number_classes_as(const std::vector<std::string>& names) override {
        auto numbers = places_among(source().classes(), names);
        if (!numbers) return false;
        numbers_ = std::move(*numbers);
        names_ = names;
        return true;
    }
    std::optional<ImageInput> image_input() const override {
        return ImageInput{.reader = image_options_};
    }
    std::vector<int64_t> labels() const override {
        std::vector<int64_t> labels(static_cast<size_t>(size()));
        for (size_t i = 0; i < labels.size(); ++i)
            labels[i] = number_of(source().label(int64_t(i)));
        return labels;
    }

  protected:
    Classification make(const Record& record, const SampleContext& context) const override {
        return {.input = reader_.open(record.text("path"), context),
                .label = number_of(record.integer("label"))};
    }

  private:
    int64_t number_of(int64_t folder) const { return numbers_.at(size_t(folder)); }

    std::vector<std::string> names_;
    std::vector<int64_t> numbers_;  // of the folders' classes, in the folders' order
    const ImageReader::Options image_options_;
    const ImageReader reader_;
};

}  // namespace

AILAB_REGISTER_DATASET(ImageFolder, "Images in a folder a class")

}  // namespace ailab
