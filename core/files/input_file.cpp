#include "input_file.hpp"

#include "ailab/error.hpp"

namespace ailab {

InputFile::InputFile(const std::string& path, Links links) : path_(path), file_(path, links) {
    if (!file_.problem().empty()) throw Error(concat("cannot open ", path, ": ", file_.problem()));
}

void InputFile::read(void* to, uint64_t count, uint64_t offset) const {
    uint64_t got = 0;
    try {
        got = file_.read(to, count, offset);
    } catch (const Error& error) {
        throw Error(concat("cannot read ", path_, ": ", error.what()));
    }
    if (got < count) throw Error(concat("cannot read ", path_, ": it became shorter"));
}

std::string InputFile::read_all() const {
    std::string bytes(size(), '\0');
    read(bytes.data(), bytes.size(), 0);
    return bytes;
}

}  // namespace ailab
