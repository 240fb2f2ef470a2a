#include "ailab/watched_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "ailab/error.hpp"
#include "file_watch.hpp"

namespace ailab {

WatchedFile::WatchedFile(const std::string& path) : watch_(std::make_shared<FileWatch>(path)) {}
WatchedFile::~WatchedFile() = default;

const std::string& WatchedFile::path() const {
    return watch_->path();
}
void WatchedFile::use() const {
    watch_->use();
}
void WatchedFile::check() const {
    watch_->check();
}

MappedFile::MappedFile(const std::string& path, Order order)
    : watch_(std::make_shared<FileWatch>(path)) {
    const auto refuse = [&](const std::string& why) {
        throw ConfigError(concat(path, " cannot be read: ", why));
    };
    // Without waiting for somebody who writes into a pipe.
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) refuse(std::strerror(errno));
    const struct Closer {
        ~Closer() { ::close(file); }
        const int file;
    } closer{file};
    struct stat status {};
    if (::fstat(file, &status) != 0) refuse(std::strerror(errno));
    if (S_ISDIR(status.st_mode)) refuse("it is a folder");
    if (!S_ISREG(status.st_mode)) refuse("it is no regular file");
    if (status.st_size == 0) return;
    const MappedMemory* memory = nullptr;
    try {
        memory = &watch_->map(file, size_t(status.st_size), MappedMemory::Access::read);
    } catch (const Error& error) {
        refuse(error.what());
    }
    if (order == Order::random) ::madvise(memory->data(), memory->size(), MADV_RANDOM);
    text_ = {static_cast<const char*>(memory->data()), memory->size()};
}

MappedFile::~MappedFile() = default;

const std::string& MappedFile::path() const {
    return watch_->path();
}
void MappedFile::use() const {
    watch_->use();
}
void MappedFile::check() const {
    watch_->check();
}

}  // namespace ailab
