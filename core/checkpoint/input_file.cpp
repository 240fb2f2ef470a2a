#include "input_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "ailab/error.hpp"

namespace ailab {

// Without O_NONBLOCK, opening a named pipe would wait for somebody to write into it.
InputFile::InputFile(const std::string& path, Links links)
    : path_(path),
      file_(open(path.c_str(),
                 O_RDONLY | O_CLOEXEC | O_NONBLOCK | (links == Links::refuse ? O_NOFOLLOW : 0))) {
    struct stat info {};
    if (file_ < 0 || fstat(file_, &info) != 0) {
        const int error = errno;
        if (file_ >= 0) close(file_);
        if (links == Links::refuse && error == ELOOP)
            throw Error(concat("cannot open ", path, ": it is a symbolic link"));
        throw Error(concat("cannot open ", path, ": ", std::strerror(error)));
    }
    if (!S_ISREG(info.st_mode)) {
        close(file_);
        throw Error(concat("cannot open ", path, ": it is ",
                           S_ISDIR(info.st_mode) ? "a folder" : "no regular file"));
    }
    size_ = uint64_t(info.st_size);
}

InputFile::~InputFile() {
    close(file_);
}

void InputFile::read(void* to, uint64_t count, uint64_t offset) const {
    auto* bytes = static_cast<char*>(to);
    while (count > 0) {
        const ssize_t n = pread(file_, bytes, count, off_t(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
            throw Error(concat("cannot read ", path_, ": ",
                               n < 0 ? std::strerror(errno) : "it became shorter"));
        bytes += n;
        count -= uint64_t(n);
        offset += uint64_t(n);
    }
}

std::string InputFile::read_all() const {
    std::string bytes(size_, '\0');
    read(bytes.data(), bytes.size(), 0);
    return bytes;
}

}  // namespace ailab
