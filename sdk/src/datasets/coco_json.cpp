#include <filesystem>
#include <unordered_map>

#include "ailab/datasets/record_source.hpp"
#include "ailab/support/crc32c.hpp"
#include "ailab/support/watched_file.hpp"
#include "config/json_parser.hpp"

namespace ailab {

void CocoJson::Options::visit(OptionVisitor& v) {
    v.required("annotation_file", annotation_file, "COCO's instances_….json");
}

struct CocoJson::Contents {
    std::string path;
    std::vector<Node> images;
    std::vector<std::vector<Node>> annotations;  // of each image
    std::vector<Category> categories;
    std::string digest;

    /// The list `key` of the file.
    const Node::List& list(const Node& file, const char* key) const {
        const Node* found = file.find(key);
        if (!found || !found->is_list())
            throw ConfigError(concat(path, " has no list \"", key, "\", as COCO's files have"));
        return found->items();
    }
    int64_t integer(const Node& entry, const char* key, const std::string& what) const {
        const Node* found = entry.find(key);
        if (!found || !found->is_int())
            throw ConfigError(concat(path, ": ", what, " has no integer \"", key, "\""));
        return found->as_int();
    }
};

namespace {

Node read_tree(const MappedFile& file) {
    const Place place{std::make_shared<const std::string>(file.path()), 0, 0};
    try {
        return parse_json(file.text(), {.all_numbers = true}, place);
    } catch (const JsonProblem& error) {
        const auto [line, column] = line_and_column(file.text(), error.byte());
        throw ConfigError(
            {{{place.source, line, column}, concat("this is no valid JSON: ", error.what())}});
    }
}

}  // namespace

CocoJson::CocoJson(const Options& options) {
    auto contents = std::make_shared<Contents>();
    contents->path = options.annotation_file;
    const MappedFile file(options.annotation_file);
    const Node tree = read_tree(file);
    contents->digest = concat(file.text().size(), " bytes, CRC-32C ",
                              crc32c(file.text().data(), file.text().size()));
    file.check();
    for (const Node& category : contents->list(tree, "categories")) {
        const std::string what = concat("categories[", contents->categories.size(), "]");
        const Node* name = category.find("name");
        contents->categories.push_back(
            {contents->integer(category, "id", what),
             name && name->is_string() ? name->as_string() : std::string()});
    }
    std::unordered_map<int64_t, size_t> by_id;
    for (const Node& image : contents->list(tree, "images")) {
        const size_t number = contents->images.size();
        const int64_t id = contents->integer(image, "id", concat("images[", number, "]"));
        if (!by_id.emplace(id, number).second)
            throw ConfigError(concat(contents->path, ": two images have the id ", id));
        contents->images.push_back(image);
    }
    contents->annotations.resize(contents->images.size());
    size_t number = 0;
    for (const Node& annotation : contents->list(tree, "annotations")) {
        const std::string what = concat("annotations[", number++, "]");
        const int64_t id = contents->integer(annotation, "image_id", what);
        const auto image = by_id.find(id);
        if (image == by_id.end())
            throw ConfigError(concat(contents->path, ": ", what, " belongs to image ", id,
                                     ", which is not among the images"));
        contents->annotations[image->second].push_back(annotation);
    }
    contents_ = std::move(contents);
}

int64_t CocoJson::size() const {
    return int64_t(contents_->images.size());
}

const std::vector<CocoJson::Category>& CocoJson::categories() const {
    return contents_->categories;
}

DataDigest CocoJson::digest() const {
    return {{std::filesystem::path(contents_->path).filename().string(), contents_->digest}};
}

std::string CocoJson::place(int64_t index) const {
    return concat(contents_->path, ", images[", index, "]");
}

Record CocoJson::record(int64_t index) const {
    Node values = contents_->images.at(size_t(index));
    values.place = {std::make_shared<const std::string>(place(index)), 0, 0};
    values.set("annotations", Node::list(contents_->annotations[size_t(index)]));
    return Record(std::move(values));
}

}  // namespace ailab
