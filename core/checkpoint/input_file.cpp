#include "input_file.hpp"

#include "ailab/error.hpp"

namespace ailab {

InputFile::InputFile(const std::string& path) : path_(path), file_(path) {
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

}  // namespace ailab
