#include "plugin/byte_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "ailab/error.hpp"

namespace ailab::plugin {

ByteFile::ByteFile(const std::string& path) : path_(path) {
    // Without waiting for somebody who writes into a pipe.
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat about {};
    const bool known = descriptor_ >= 0 && ::fstat(descriptor_, &about) == 0;
    const int error = errno;
    if (known && S_ISREG(about.st_mode)) {
        size_ = uint64_t(about.st_size);
        return;
    }
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!known) throw ConfigError(concat(path, " cannot be read: ", std::strerror(error), "."));
    throw ConfigError(concat(path, S_ISDIR(about.st_mode) ? " is a folder" : " is no regular file",
                             "; it should be a shared library."));
}

ByteFile::~ByteFile() {
    ::close(descriptor_);
}

std::string ByteFile::read(uint64_t offset, uint64_t size) const {
    std::string bytes(size, '\0');
    uint64_t done = 0;
    while (done < size) {
        const ssize_t got =
            ::pread(descriptor_, bytes.data() + done, size - done, off_t(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            throw ConfigError(concat(path_, " cannot be read: ", std::strerror(errno), "."));
        if (got == 0) throw ConfigError(concat(path_, " became shorter while it was read."));
        done += uint64_t(got);
    }
    return bytes;
}

}  // namespace ailab::plugin
