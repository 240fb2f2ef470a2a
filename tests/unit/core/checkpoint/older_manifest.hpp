#pragma once
// Manifests that were changed: by an earlier ailab, or by a test's hand.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "ailab/support/crc32c.hpp"
#include "config/formats.hpp"

namespace ailab::test {

inline std::string read_text(const std::string& file) {
    std::ifstream stream(file, std::ios::binary);
    return std::string((std::istreambuf_iterator<char>(stream)), {});
}

/// A manifest's text with the checksum of its other bytes, as the format says: the CRC-32C of the
/// file with zeros for its own eight digits.
inline std::string with_checksum(std::string text) {
    const std::string key = "\"manifest_crc32c\": \"";
    const size_t digits = text.find(key) + key.size();
    text.replace(digits, 8, "00000000");
    char crc[9];
    std::snprintf(crc, sizeof crc, "%08x", crc32c(text.data(), text.size()));
    return text.replace(digits, 8, crc);
}

/// Gives a checkpoint the manifest that format 1 had.
inline void make_older(const std::string& checkpoint) {
    const std::string file = checkpoint + "/manifest.json";
    Node manifest = from_json(read_text(file), file);
    std::erase_if(manifest.members(), [](const Member& member) {
        return member.key == "needs" || member.key == "manifest_crc32c" || member.key == "branch";
    });
    manifest.set("version", Node(int64_t(1)));
    std::ofstream(file, std::ios::binary | std::ios::trunc) << to_json(manifest, 2) + "\n";
}

}  // namespace ailab::test
