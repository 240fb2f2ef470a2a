#include "last_checkpoint.hpp"

#include <filesystem>

#include "ailab/error.hpp"
#include "ailab/support/regular_file.hpp"

namespace ailab {

namespace fs = std::filesystem;

namespace {

/// Throws when it is a symbolic link to itself, or may not be looked at.
fs::file_status status_of(const std::string& path) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (error && status.type() != fs::file_type::not_found)
        throw Error(concat(path, " cannot be read: ", error.message()));
    return status;
}

/// The folder below `folder` whose path ends as `path` does, as far as possible; "" for none.
fs::path same_in(const fs::path& folder, const fs::path& path) {
    std::error_code none;
    const fs::path whole = fs::absolute(path).lexically_normal().relative_path();
    for (auto begin = whole.begin(); begin != whole.end(); ++begin) {
        fs::path tail;
        for (auto part = begin; part != whole.end(); ++part) tail /= *part;
        if (fs::is_directory(folder / tail, none)) return folder / tail;
    }
    return {};
}

}  // namespace

LastCheckpoint read_last_checkpoint(const std::string& file) {
    LastCheckpoint last;
    // A folder in its place is told of when the run is to write there.
    const fs::file_status status = status_of(file);
    if (!fs::exists(status) || fs::is_directory(status)) return last;
    constexpr uint64_t most_bytes = 1 << 16;
    const std::string text = read_regular_file(file, most_bytes);
    last.written = text.substr(0, text.find('\n'));
    if (last.written.empty()) return last;
    const fs::path own = same_in(fs::path(file).parent_path(), last.written);
    last.inside = !own.empty();
    last.meant = last.inside ? own.string() : last.written;
    return last;
}

std::string follow_last_checkpoint(const std::string& given, const std::string& choices) {
    const fs::file_status status = status_of(given);
    if (!fs::exists(status)) throw Error(concat(given, " does not exist; name ", choices));
    if (fs::path(given).filename() != "last_checkpoint" || fs::is_directory(status)) return given;
    const LastCheckpoint last = read_last_checkpoint(given);
    if (last.written.empty() || !fs::is_directory(status_of(last.meant)))
        throw Error(concat(given, " names the checkpoint \"", last.written,
                           "\", which is not there (a relative path counts from the current "
                           "directory); name the checkpoint's folder itself"));
    return last.meant;
}

}  // namespace ailab
