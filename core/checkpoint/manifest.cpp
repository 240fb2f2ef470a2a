#include "manifest.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "ailab/error.hpp"
#include "ailab/support/crc32c.hpp"
#include "ailab/support/regular_file.hpp"
#include "config/formats.hpp"
#include "state_files.hpp"

namespace ailab {
namespace {

constexpr const char* format_name = "ailab checkpoint";
constexpr uint64_t max_manifest_size = 64 << 20;
constexpr const char* checksum_key = "manifest_crc32c";
constexpr const char* no_checksum = "00000000";

/// What this ailab knows of what a checkpoint may need.
constexpr std::array<std::string_view, 2> known_needs = {needs_rank_tensors, needs_shards};
constexpr const char* shards_key = "shards";

/// What the manifest says of itself; the rest are facts.
constexpr std::array<std::string_view, 7> own_keys = {
    "format", "version", "needs", "world_size", "files", shards_key, checksum_key};

template <size_t size>
bool is_among(const std::array<std::string_view, size>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

std::string to_hex(uint32_t value) {
    char text[9];
    std::snprintf(text, sizeof text, "%08x", value);
    return text;
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

/// Where the eight digits of the checksum stand in the text, or npos. Inside of a string quotes
/// have a backslash, so that nothing else looks like the key.
size_t find_checksum(const std::string& text) {
    const std::string before = concat("\"", checksum_key, "\": \"");
    const size_t at = text.find(before);
    const size_t digits = at + before.size();
    return at == std::string::npos || digits + 8 > text.size() ? std::string::npos : digits;
}

/// Of the whole text, the digits themselves taken as zeros.
std::string checksum_of(std::string text, size_t digits) {
    text.replace(digits, 8, no_checksum);
    return to_hex(crc32c(text.data(), text.size()));
}

void check_checksum(const std::string& text, const std::string& file) {
    const size_t digits = find_checksum(text);
    if (digits == std::string::npos || checksum_of(text, digits) != text.substr(digits, 8))
        throw Error(concat(file, " is damaged: its checksum of itself is ",
                           digits == std::string::npos ? "missing" : "not that of its bytes"));
}

std::vector<std::string> read_needs(const Node& needs, const std::string& file) {
    std::vector<std::string> names;
    if (!needs.is_list()) throw Error(concat(file, ": needs must be a list"));
    for (const Node& need : needs.items()) {
        if (!need.is_string())
            throw Error(concat(file, ": needs must be a list of names, got ", need.describe()));
        if (!is_among(known_needs, need.as_string()))
            throw Error(
                concat(file, " needs \"", need.as_string(),
                       "\", which this ailab does not know; use the one that wrote it, or a "
                       "later one"));
        names.push_back(need.as_string());
    }
    return names;
}

}  // namespace

std::string Manifest::age_note() const {
    if (format >= checkpoint_format) return "";
    return concat(
        "it is of format ", format,
        ", whose manifest.json has no checksum of itself: a changed bit in it would not be "
        "seen");
}

std::string encode_manifest(const Manifest& manifest) {
    Node root = Node::map();
    root.set("format", Node::string(format_name));
    root.set("version", Node(checkpoint_format));
    Node needs = Node::list();
    for (const std::string& need : manifest.needs) needs.items().push_back(Node::string(need));
    root.set("needs", std::move(needs));
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
    if (!manifest.shards.empty()) root.set(shards_key, to_node(manifest.shards));
    root.set(checksum_key, Node::string(no_checksum));
    std::string text = to_json(root, 2) + "\n";
    const size_t digits = find_checksum(text);
    return text.replace(digits, 8, checksum_of(text, digits));
}

Manifest read_manifest(const std::string& folder) {
    const std::string file = folder + "/" + checkpoint_file::manifest;
    const std::string text = read_regular_file(file, max_manifest_size);
    const Node root = from_json(text, file);
    const Node& format = member(root, "format", file);
    const Node& version = member(root, "version", file);
    if (!format.is_string() || format.as_string() != format_name)
        throw Error(
            concat(file, " is not of an ailab checkpoint: its format is ", format.describe()));
    if (!version.is_int() || version.as_int() < 1 || version.as_int() > checkpoint_format)
        throw Error(concat(file, " has version ", version.flow(),
                           "; this ailab reads versions 1 to ", checkpoint_format));
    Manifest manifest;
    manifest.format = version.as_int();
    if (manifest.format >= 2) {
        check_checksum(text, file);
        manifest.needs = read_needs(member(root, "needs", file), file);
    }
    const Node& world = member(root, "world_size", file);
    if (!world.is_int() || world.as_int() < 1 || world.as_int() > 1'000'000)
        throw Error(
            concat(file, ": world_size must be a whole number from 1, got ", world.describe()));
    const Node& files = member(root, "files", file);
    if (!files.is_map()) throw Error(concat(file, ": files must be a map"));
    manifest.world_size = int(world.as_int());
    for (const Member& entry : files.members())
        manifest.files[entry.key] = read_digest(entry.key, entry.value, file);
    if (const Node* shards = root.find(shards_key)) {
        manifest.shards = sharded_tensors_from(*shards, file);
        check_complete(manifest.shards);
    }
    for (const Member& entry : root.members())
        if (!is_among(own_keys, entry.key)) manifest.facts.members().push_back(entry);
    return manifest;
}

}  // namespace ailab
