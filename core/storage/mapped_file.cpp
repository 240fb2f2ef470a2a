#include "mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "ailab/error.hpp"

namespace ailab {

MappedFile::MappedFile(const std::string& path) : path_(path) {
    const auto refuse = [&](const std::string& why) {
        throw ConfigError(concat(path, " cannot be read: ", why));
    };
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) refuse(std::strerror(errno));
    struct stat status {};
    const bool known = fstat(file, &status) == 0;
    const int code = errno;
    void* data = nullptr;
    if (known && S_ISREG(status.st_mode) && status.st_size > 0)
        data = mmap(nullptr, size_t(status.st_size), PROT_READ, MAP_SHARED, file, 0);
    const int map_code = errno;
    close(file);
    if (!known) refuse(std::strerror(code));
    if (S_ISDIR(status.st_mode)) refuse("it is a folder");
    if (!S_ISREG(status.st_mode)) refuse("it is no regular file");
    if (data == MAP_FAILED) refuse(std::strerror(map_code));
    data_ = static_cast<const char*>(data);
    size_ = size_t(status.st_size);
}

MappedFile::~MappedFile() {
    if (data_) munmap(const_cast<char*>(data_), size_);
}

}  // namespace ailab
