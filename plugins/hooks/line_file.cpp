#include "line_file.hpp"

#include <fcntl.h>
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
    file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file_ < 0) throw Error(concat("cannot write ", path, ": ", std::strerror(errno)));
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
        if (n <= 0)
            throw Error(
                concat("cannot write ", path_, ": ", std::strerror(n < 0 ? errno : ENOSPC)));
        done += size_t(n);
    }
}

}  // namespace ailab
