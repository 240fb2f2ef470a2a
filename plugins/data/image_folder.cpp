// A folder a class, as torchvision's ImageFolder.
#include "ailab/ailab.hpp"
#include "ailab/datasets/task.hpp"

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
        : StoredDataset(options), image_options_(options.image), reader_(options.image) {}

    std::optional<int64_t> num_classes() const override {
        return int64_t(storage().classes().size());
    }
    std::vector<std::string> class_names() const override { return storage().classes(); }
    std::optional<ImageInput> image_input() const override {
        return ImageInput{.reader = image_options_};
    }
    std::vector<int64_t> labels() const override {
        std::vector<int64_t> labels(static_cast<size_t>(size()));
        for (size_t i = 0; i < labels.size(); ++i) labels[i] = storage().label(int64_t(i));
        return labels;
    }

  protected:
    Classification make(const Record& record, const SampleContext& context) const override {
        return {.input = reader_.open(record.text("path"), context),
                .label = record.integer("label")};
    }

  private:
    const ImageReader::Options image_options_;
    const ImageReader reader_;
};

}  // namespace

AILAB_REGISTER_DATASET(ImageFolder, "Images in a folder a class")

}  // namespace ailab
