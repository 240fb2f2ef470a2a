#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ailab {

/// A regular file of a tar archive.
struct TarMember {
    std::string name;
    uint64_t begin = 0;  // of its bytes in the archive
    uint64_t size = 0;
};

/// The regular files of a tar archive (ustar, GNU and pax names) whose bytes are `archive`; `path`
/// is for messages. Throws Error when it is cut short or no tar.
std::vector<TarMember> read_tar_index(std::string_view archive, const std::string& path);

}  // namespace ailab
