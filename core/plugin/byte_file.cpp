#include "plugin/byte_file.hpp"

#include "ailab/error.hpp"

namespace ailab::plugin {

ByteFile::ByteFile(const std::string& path) : path_(path), file_(path) {
    const std::string& problem = file_.problem();
    if (problem.empty()) return;
    if (problem.starts_with("it is "))
        throw ConfigError(concat(path, problem.substr(2), "; it should be a shared library."));
    throw ConfigError(concat(path, " cannot be read: ", problem, "."));
}

std::string ByteFile::read(uint64_t offset, uint64_t size) const {
    std::string bytes(size, '\0');
    uint64_t got = 0;
    try {
        got = file_.read(bytes.data(), size, offset);
    } catch (const Error& error) {
        throw ConfigError(concat(path_, " cannot be read: ", error.what(), "."));
    }
    if (got < size) throw ConfigError(concat(path_, " became shorter while it was read."));
    return bytes;
}

}  // namespace ailab::plugin
