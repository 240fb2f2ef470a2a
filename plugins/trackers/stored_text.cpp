#include "stored_text.hpp"

#include <sys/stat.h>
#include <cerrno>
#include <limits>

#include "ailab/support/regular_file.hpp"

namespace ailab {

std::string stored_text(const std::filesystem::path& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0 && errno == ENOENT) return "";
    return read_regular_file(path, std::numeric_limits<uint64_t>::max());
}

}  // namespace ailab
