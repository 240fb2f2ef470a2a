#include "line_writer.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "ailab/error.hpp"

namespace ailab {

void LineWriter::open(const std::string& path, size_t buffer) {
    std::error_code error;
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    if (!folder.empty()) std::filesystem::create_directories(folder, error);
    if (error)
        throw Error(concat("cannot create the folder ", folder.string(), ": ", error.message()));
    buffer_size_ = buffer;
    file_ = AppendFile(path, AppendFile::As::made_or_there);
    // What a crashed machine left of a last line is ended.
    if (file_.size() > 0 && file_.last() != '\n') pending_ = '\n';
}

void LineWriter::write(const std::string& line) {
    pending_ += line;
    pending_ += '\n';
    if (pending_.size() > buffer_size_) flush();
}

void LineWriter::flush() {
    // Taken out first: a line that could not be written is not tried again.
    const std::string text = std::exchange(pending_, {});
    if (const std::string reason = file_.append(text); !reason.empty())
        throw Error(concat("cannot write ", file_.path(), ": ", reason));
}

int64_t file_bytes(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 ? int64_t(status.st_size) : -1;
}

bool cut_file(const std::string& path, int64_t bytes) {
    if (file_bytes(path) < bytes) return false;
    if (::truncate(path.c_str(), off_t(bytes)) != 0)
        throw Error(concat("cannot cut ", path,
                           " back to where the checkpoint was written: ", std::strerror(errno)));
    return true;
}

}  // namespace ailab
