// Annotation files: tables, JSON lines, lists of words, COCO and PASCAL VOC; and labels in them.
#include "ailab/datasets/record_source.hpp"
#include "data/label_names.hpp"
#include "target.hpp"

namespace ailab::fuzz {
namespace {

/// Reads every record in all ways; the first 1000, as files of a fuzzer are short.
void read_records(const RecordSource& source) {
    source.digest();
    for (int64_t i = 0; i < std::min<int64_t>(source.size(), 1000); ++i) {
        require(!source.place(i).empty(), "a record has no place");
        try {
            const Record record = source.record(i);
            record.values().flow();
            record.place();
            source.part(i, {"image", "label"}).values().flow();
            for (const Member& member : record.values().members()) {
                record.text(member.key);
                record.numbers(member.key);
                record.integer(member.key);
            }
        } catch (const BrokenSample&) {
        }
    }
}

/// As data sets do: the labels of all records, then their numbers.
void read_labels(const RecordSource& source) {
    for (const std::vector<std::string>& names :
         {std::vector<std::string>(), std::vector<std::string>{"cat", "dog", "7"}}) {
        try {
            LabelNames labels(names);
            std::vector<int32_t> learned;
            for (int64_t i = 0; i < source.size(); ++i)
                learned.push_back(labels.learn(source.part(i, {"label"}), "label"));
            labels.end_learning(std::nullopt);
            for (const int32_t id : learned)
                // Of samples to leave out: judged by who knows the loss. Those may be negative, and
                // where the names say how many classes there are, above them.
                require(!names.empty() || labels.label(id) < labels.num_classes().value_or(0),
                        "a label lies outside of the classes");
        } catch (const Error&) {
        }
    }
}

void csv(const std::string& input) {
    CsvTable::Options options;
    options.annotation_file = as_file(input);
    const CsvTable table(options);
    read_records(table);
    read_labels(table);
}

void json_lines(const std::string& input) {
    JsonLines::Options options;
    options.annotation_file = as_file(input);
    const JsonLines lines(options);
    read_records(lines);
    read_labels(lines);
}

void text_lines(const std::string& input) {
    TextLines::Options options;
    options.annotation_file = as_file(input);
    const TextLines lines(options);
    read_records(lines);
    read_labels(lines);
}

void coco(const std::string& input) {
    CocoJson::Options options;
    options.annotation_file = as_file(input);
    const CocoJson file(options);
    file.categories();
    read_records(file);
}

void voc(const std::string& input) {
    in_folder("ImageSets/Main/train.txt", "a\n");
    VocXml::Options options;
    options.root = in_folder("Annotations/a.xml", input);
    read_records(VocXml(options));
}

const Registration csv_target({.name = "csv", .run = csv});
const Registration json_lines_target({.name = "json_lines", .run = json_lines});
const Registration text_lines_target({.name = "text_lines", .run = text_lines});
const Registration coco_target({.name = "coco", .run = coco});
const Registration voc_target({.name = "voc", .run = voc});

}  // namespace
}  // namespace ailab::fuzz
