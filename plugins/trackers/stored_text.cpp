#include "stored_text.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "ailab/error.hpp"

namespace ailab {

std::string stored_text(const std::filesystem::path& path) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        if (errno == ENOENT) return "";
        throw Error(concat("cannot read ", path.string(), ": ", std::strerror(errno)));
    }
    try {
        return {std::istreambuf_iterator<char>(file), {}};
    } catch (const std::ios_base::failure&) {
        throw Error(concat("cannot read ", path.string(), ": ", std::strerror(errno)));
    }
}

}  // namespace ailab
