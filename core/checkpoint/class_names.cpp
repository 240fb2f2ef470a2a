#include "class_names.hpp"

#include <filesystem>

#include "ailab/error.hpp"
#include "config/formats.hpp"
#include "files/file_kind.hpp"
#include "files/input_file.hpp"
#include "manifest.hpp"
#include "pth/pth_file.hpp"
#include "safetensors_header.hpp"
#include "state_files.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

constexpr const char* spec_key = "ailab.spec";  // of what export writes, in .safetensors
constexpr const char* count_key = "num_classes";
constexpr const char* numbers_key = "classes_are_numbers";
constexpr const char* spec_record = "ailab.json";  // and in .pth

Metadata read_metadata(const InputFile& file) {
    uint64_t length = 0;
    file.read(&length, sizeof length, 0);
    std::string header(length, '\0');
    file.read(header.data(), length, sizeof length);
    return parse_header(header, file.size() - sizeof length - length, file.path()).metadata;
}

/// What a file says of the model whose weights it holds, as JSON, or "".
std::string description_in(const std::string& path) {
    const InputFile file(path);
    if (is_safetensors(file)) {
        const Metadata metadata = read_metadata(file);
        const auto found = metadata.find(spec_key);
        return found == metadata.end() ? "" : found->second;
    }
    return is_pth_file(file) ? PthFile(path).text(spec_record) : "";
}

}  // namespace

ClassFacts classes_in(const Node& facts) {
    ClassFacts classes;
    if (const Node* list = facts.find("classes"); list && list->is_list())
        for (const Node& name : list->items())
            if (name.is_string()) classes.names.push_back(name.as_string());
    if (const Node* count = facts.find(count_key); count && count->is_int())
        classes.count = count->as_int();
    else if (!classes.names.empty())
        classes.count = int64_t(classes.names.size());
    if (const Node* numbers = facts.find(numbers_key); numbers && numbers->is_bool())
        classes.are_numbers = numbers->as_bool();
    return classes;
}

void put_classes(Node& facts, const ClassFacts& classes) {
    Node list = Node::list();
    for (const std::string& name : classes.names) list.items().push_back(Node::string(name));
    facts.set("classes", std::move(list));
    if (classes.count) facts.set(count_key, Node(*classes.count));
    if (classes.is_known()) facts.set(numbers_key, Node(Node::Value(classes.are_numbers)));
}

void put_classes(Metadata& metadata, const ClassFacts& classes) {
    if (!classes.is_known()) return;
    Node description = Node::map();
    put_classes(description, classes);
    metadata[spec_key] = to_json(description);
}

namespace {

/// What is said of the weights at `path`, the manifest's facts or the file's own description, as
/// far as it has one of the keys; else an empty map.
Node facts_at(const std::string& path, const char* key) {
    if (fs::is_directory(path)) return read_manifest(path).facts;
    std::string description;
    try {
        description = description_in(path);
    } catch (const Error&) {
        return Node::map();  // who reads the weights says why
    }
    if (!description.empty()) {
        Node node = from_json(description, path);
        if (node.is_map() && node.find(key)) return node;
    }
    // The weights of a checkpoint, which may not say it themselves.
    const fs::path folder = fs::path(path).parent_path();
    if (fs::path(path).filename() == checkpoint_file::model &&
        fs::exists(folder / checkpoint_file::manifest))
        return read_manifest(folder.string()).facts;
    return Node::map();
}

}  // namespace

ClassFacts trained_classes(const std::string& path) {
    return classes_in(facts_at(path, "classes"));
}

Node trained_task(const std::string& path) {
    const Node facts = facts_at(path, task_key);
    const Node* task = facts.find(task_key);
    return task && task->is_map() ? *task : Node();
}

}  // namespace ailab
