#include "manifest.hpp"

#include <cstdio>
#include <cstdlib>

#include "ailab/error.hpp"
#include "config/formats.hpp"
#include "state_files.hpp"

namespace ailab {
namespace {

constexpr const char* format_name = "ailab checkpoint";
constexpr int64_t format_version = 1;
constexpr uint64_t max_manifest_size = 64 << 20;

std::string to_hex(uint32_t value) {
    char text[9];
    std::snprintf(text, sizeof text, "%08x", value);
    return text;
}

const Node& member(const Node& map, const std::string& key, const std::string& file) {
    const Node* found = map.find(key);
    if (!found) throw Error(concat(file, " has no \"", key, "\""));
    return *found;
}

FileDigest read_digest(const std::string& name, const Node& node, const std::string& file) {
    const bool plain_name = !name.empty() && name.find('/') == std::string::npos && name != "..";
    const Node* size = node.find("size");
    const Node* crc = node.find("crc32c");
    char* end = nullptr;
    const unsigned long value =
        crc && crc->is_string() ? std::strtoul(crc->as_string().c_str(), &end, 16) : 0;
    if (!plain_name || !size || !size->is_int() || size->as_int() < 0 || !end || *end != '\0' ||
        crc->as_string().size() != 8)
        throw Error(concat(file, ": the entry of the file \"", name, "\" is wrong: ", node.flow()));
    return {uint64_t(size->as_int()), uint32_t(value)};
}

}  // namespace

std::string encode_manifest(const Manifest& manifest) {
    Node root = Node::map();
    root.set("format", Node::string(format_name));
    root.set("version", Node(format_version));
    root.set("world_size", Node(int64_t(manifest.world_size)));
    for (const Member& fact : manifest.facts.members()) root.set(fact.key, fact.value);
    Node files = Node::map();
    for (const auto& [name, digest] : manifest.files) {
        Node entry = Node::map();
        entry.set("size", Node(int64_t(digest.size)));
        entry.set("crc32c", Node::string(to_hex(digest.crc32c)));
        files.set(name, std::move(entry));
    }
    root.set("files", std::move(files));
    return to_json(root, 2) + "\n";
}

Manifest read_manifest(const std::string& folder) {
    const std::string file = folder + "/" + checkpoint_file::manifest;
    const Node root = from_json(read_file(file, max_manifest_size), file);
    const Node& format = member(root, "format", file);
    const Node& version = member(root, "version", file);
    if (!format.is_string() || format.as_string() != format_name)
        throw Error(
            concat(file, " is not of an ailab checkpoint: its format is ", format.describe()));
    if (!version.is_int() || version.as_int() != format_version)
        throw Error(concat(file, " has version ", version.flow(), "; this ailab reads version ",
                           format_version));
    const Node& world = member(root, "world_size", file);
    if (!world.is_int() || world.as_int() < 1 || world.as_int() > 1'000'000)
        throw Error(
            concat(file, ": world_size must be a whole number from 1, got ", world.describe()));
    const Node& files = member(root, "files", file);
    if (!files.is_map()) throw Error(concat(file, ": files must be a map"));
    Manifest manifest;
    manifest.world_size = int(world.as_int());
    for (const Member& entry : files.members())
        manifest.files[entry.key] = read_digest(entry.key, entry.value, file);
    for (const Member& entry : root.members())
        if (entry.key != "format" && entry.key != "version" && entry.key != "world_size" &&
            entry.key != "files")
            manifest.facts.set(entry.key, entry.value);
    return manifest;
}

}  // namespace ailab
