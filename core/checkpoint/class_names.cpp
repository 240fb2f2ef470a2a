#include "class_names.hpp"

#include <filesystem>

#include "ailab/error.hpp"
#include "config/formats.hpp"
#include "file_kind.hpp"
#include "input_file.hpp"
#include "manifest.hpp"
#include "pth_file.hpp"
#include "safetensors_header.hpp"
#include "state_files.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

constexpr const char* spec_key = "ailab.spec";     // of what export writes, in .safetensors
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

std::vector<std::string> classes_in(const Node& facts) {
    std::vector<std::string> names;
    if (const Node* list = facts.find("classes"); list && list->is_list())
        for (const Node& name : list->items())
            if (name.is_string()) names.push_back(name.as_string());
    return names;
}

void put_classes(Node& facts, const std::vector<std::string>& names) {
    Node list = Node::list();
    for (const std::string& name : names) list.items().push_back(Node::string(name));
    facts.set("classes", std::move(list));
}

void put_classes(Metadata& metadata, const std::vector<std::string>& names) {
    if (names.empty()) return;
    Node description = Node::map();
    put_classes(description, names);
    metadata[spec_key] = to_json(description);
}

std::vector<std::string> trained_classes(const std::string& path) {
    if (fs::is_directory(path)) return classes_in(read_manifest(path).facts);
    std::string description;
    try {
        description = description_in(path);
    } catch (const Error&) {
        return {};  // who reads the weights says why
    }
    if (!description.empty()) {
        const Node node = from_json(description, path);
        return node.is_map() ? classes_in(node) : std::vector<std::string>();
    }
    // The weights of a checkpoint from before they said it themselves.
    const fs::path folder = fs::path(path).parent_path();
    if (fs::path(path).filename() == checkpoint_file::model &&
        fs::exists(folder / checkpoint_file::manifest))
        return classes_in(read_manifest(folder.string()).facts);
    return {};
}

}  // namespace ailab
