#include "line_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "ailab/error.hpp"

namespace ailab {

LineFile::~LineFile() {
    if (file_ >= 0) close(file_);
}

void LineFile::open(const std::string& path, size_t buffer) {
    std::error_code error;
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    if (!folder.empty()) std::filesystem::create_directories(folder, error);
    if (error)
        throw Error(concat("cannot create the folder ", folder.string(), ": ", error.message()));
    path_ = path;
    buffer_size_ = buffer;
    file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (file_ < 0) throw Error(concat("cannot write ", path, ": ", std::strerror(errno)));
    // What a crashed machine left of a last line is ended.
    char last = '\n';
    const int64_t size = file_bytes(path);
    if (size > 0 && ::pread(file_, &last, 1, off_t(size - 1)) == 1 && last != '\n') pending_ = '\n';
}

void LineFile::write(const std::string& line) {
    pending_ += line;
    pending_ += '\n';
    if (pending_.size() > buffer_size_) flush();
}

void LineFile::flush() {
    // Taken out first: a line that could not be written is not tried again.
    const std::string text = std::exchange(pending_, {});
    for (size_t done = 0; done < text.size();) {
        const ssize_t n = ::write(file_, text.data() + done, text.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            const int error = n < 0 ? errno : ENOSPC;
            const off_t end = done > 0 ? ::lseek(file_, 0, SEEK_END) : -1;
            // If not even that is possible, the error below has told of the file.
            if (end >= off_t(done)) (void)!::ftruncate(file_, end - off_t(done));
            throw Error(concat("cannot write ", path_, ": ", std::strerror(error)));
        }
        done += size_t(n);
    }
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
