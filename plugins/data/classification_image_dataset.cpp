// Images and labels that an annotation file lists.
#include <filesystem>
#include <unordered_set>

#include "ailab/ailab.hpp"
#include "ailab/datasets/task.hpp"
#include "label_names.hpp"
#include "options/limits.hpp"

namespace ailab {
namespace {

struct AnnotatedImagesOptions {
    std::string annotation_file;
    std::string img_prefix;
    std::string x_key;
    std::string y_key;
    std::vector<std::string> classes;
    std::optional<int64_t> num_classes;
    std::string delimiter = ",";
    ImageReader::Options image;

    void visit(OptionVisitor& v) {
        v.required(
            "annotation_file", annotation_file,
            ".jsonl or .json: a JSON object a line (.json also: a list of them); .csv: a table "
            "with a header; else a path and a label a line");
        v.option("img_prefix", img_prefix, "folder that the paths of images are relative to");
        v.option("x_key", x_key, "key of the image's path; by default image (lines of text: path)");
        v.option("y_key", y_key, "key of its label, a number or a class's name; by default label");
        v.option("classes", classes, "names of the classes in the order of their numbers");
        v.option("num_classes", num_classes, "checked against the labels", size_from(1));
        v.option("delimiter", delimiter, "of .csv, between fields: one character, or tab");
        image.visit(v);
        v.rule([this] {
            const bool tab = delimiter == "tab" || delimiter == "\\t";
            return delimiter.size() == 1 || tab ? "" : "delimiter is one character, or tab";
        });
        v.rule([this]() -> std::string {
            if (!num_classes || classes.empty() || *num_classes == int64_t(classes.size()))
                return "";
            return concat("num_classes is ", *num_classes, ", and classes names ", classes.size());
        });
    }
};

std::string extension_of(const std::string& path) {
    return std::filesystem::path(path).extension().string();
}

std::unique_ptr<RecordSource> open_source(const AnnotatedImagesOptions& options) {
    const std::string extension = extension_of(options.annotation_file);
    if (extension == ".jsonl" || extension == ".json")
        return std::make_unique<JsonLines>(JsonLines::Options{options.annotation_file});
    if (extension == ".csv")
        return std::make_unique<CsvTable>(
            CsvTable::Options{options.annotation_file, options.delimiter});
    return std::make_unique<TextLines>(TextLines::Options{options.annotation_file});
}

class ClassificationImageDataset final : public Dataset {
  public:
    using Options = AnnotatedImagesOptions;

    explicit ClassificationImageDataset(const Options& options)
        : source_(open_source(options)),
          prefix_(options.img_prefix),
          path_keys_{key_of(options.x_key, "image", "path")},
          label_key_(key_of(options.y_key, "label", "label")),
          names_(options.classes),
          image_options_(options.image),
          reader_(options.image) {
        read_labels(options);
    }

    int64_t size() const override { return int64_t(labels_.size()); }
    std::vector<std::string> fields() const override { return Classification::fields(); }
    std::optional<int64_t> num_classes() const override { return names_.num_classes(); }
    std::vector<std::string> class_names() const override { return names_.names(); }
    std::vector<int64_t> labels() const override { return labels_; }
    std::string sample_name(int64_t index) const override { return path_of(index); }
    std::string label_place(int64_t index) const override { return source_->place(index); }
    bool number_classes_as(const std::vector<std::string>& names) override {
        const auto numbers = names_.number_as(names);
        if (!numbers) return false;
        for (int64_t& label : labels_) label = renumbered(label, *numbers);
        return true;
    }
    DataDigest digest() const override {
        DataDigest digest = digest_without_names();
        digest.merge(source_->digest());
        return digest;
    }

    std::optional<ImageInput> image_input() const override {
        return ImageInput{.reader = image_options_};
    }

    Node default_transforms() const override {
        // The original's: 224 x 224, and the mean and deviation of CLIP's images.
        const auto numbers = [](std::initializer_list<double> values) {
            Node list = Node::list();
            for (const double value : values) list.items().push_back(Node(Node::Value(value)));
            return list;
        };
        Node resize = node_of_type("Resize"), normalize = node_of_type("Normalize");
        resize.set("size",
                   Node::list({Node(Node::Value(int64_t(224))), Node(Node::Value(int64_t(224)))}));
        normalize.set("mean", numbers({0.48145466, 0.4578275, 0.40821073}));
        normalize.set("std", numbers({0.26862954, 0.26130258, 0.27577711}));
        return Node::list({resize, normalize});
    }

    Sample get(int64_t index, const SampleContext& context) const override {
        return Classification{.input = reader_.open(path_of(index), context),
                              .label = labels_.at(size_t(index))}
            .sample();
    }

  private:
    std::string key_of(const std::string& given, const char* usual, const char* of_text) const {
        if (!given.empty()) return given;
        return dynamic_cast<const TextLines*>(source_.get()) ? of_text : usual;
    }

    std::string path_of(int64_t index) const { return path_of(source_->part(index, path_keys_)); }

    std::string path_of(const Record& record) const {
        const std::string given = record.text(path_key());
        if (prefix_.empty()) return given;
        const std::filesystem::path path = std::filesystem::path(given).lexically_normal();
        if (path.is_absolute() || path.string().starts_with(".."))
            record.fail(concat("the path ", given, " leaves img_prefix ", prefix_,
                               ". Leave img_prefix out, or make the path relative to it"));
        return (std::filesystem::path(prefix_) / path).string();
    }
    const std::string& path_key() const { return path_keys_[0]; }

    /// A line that is meant as a comment would be one more sample, perhaps one more class.
    void refuse_comment(const Record& record, const std::string& path) const {
        if (record.text(path_key()).starts_with('#') && !std::filesystem::exists(path))
            record.fail(concat("there is no file ", path,
                               ", and a line that begins with # is no comment here; remove it"));
    }

    /// Keys that the file names otherwise are told once, not for each line.
    void check_keys(Problems& problems) const {
        if (source_->size() == 0) return;
        const Record first = source_->record(0);
        for (const auto& [key, option] :
             {std::pair(path_key(), "x_key"), std::pair(label_key_, "y_key")}) {
            try {
                (void)first.node(key);
            } catch (const BrokenSample& error) {
                problems.add(error.problem().place,
                             concat(error.problem().text, ". Another name of it is for ", option));
            }
        }
    }

    /// Every mistake in the file is found here, before the run.
    void read_labels(const Options& options) {
        constexpr size_t most = 10;
        const std::vector<std::string> keys = {path_key(), label_key_};
        Problems problems;
        check_keys(problems);
        problems.check();
        std::unordered_set<std::string> seen;
        int64_t twice = 0;
        std::vector<int32_t> learned;
        for (int64_t i = 0; i < source_->size() && problems.size() < most; ++i) {
            try {
                const Record record = source_->part(i, keys);
                const std::string path = path_of(record);
                refuse_comment(record, path);
                if (!seen.insert(path).second) ++twice;
                learned.push_back(names_.learn(record, label_key_));
            } catch (const BrokenSample& error) {
                problems.add(error.problem().place, error.problem().text);
            }
        }
        problems.check();
        names_.end_learning(options.num_classes);
        labels_.reserve(learned.size());
        for (const int32_t id : learned) labels_.push_back(names_.label(id));
        if (twice > 0)
            log_warning(options.annotation_file, " lists ", twice,
                        twice == 1 ? " image" : " images", " more than once");
    }

    const std::unique_ptr<const RecordSource> source_;
    const std::string prefix_;
    const std::vector<std::string> path_keys_;  // one
    const std::string label_key_;
    LabelNames names_;
    std::vector<int64_t> labels_;
    const ImageReader::Options image_options_;
    const ImageReader reader_;
};

}  // namespace

AILAB_REGISTER_DATASET(ClassificationImageDataset,
                       "Images and labels that an annotation file lists; without transforms "
                       "they are resized to 224x224 and normalised by CLIP's mean and std")

}  // namespace ailab
