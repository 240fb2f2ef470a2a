#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

namespace ailab::test {

/// A file that lies on no disk, for tests that write thousands.
class MemoryFile {
  public:
    MemoryFile() : file_(memfd_create("ailab", MFD_CLOEXEC)) {
        if (file_ < 0) throw std::runtime_error("memfd_create failed");
    }
    ~MemoryFile() { close(file_); }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;

    std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }
    /// In the place of what is there.
    void write(const std::string& bytes) const {
        if (ftruncate(file_, 0) != 0 ||
            pwrite(file_, bytes.data(), bytes.size(), 0) != ssize_t(bytes.size()))
            throw std::runtime_error("a file in memory cannot be written");
    }
    /// With the path as FILE.
    std::string shorten(std::string message) const {
        for (size_t at; (at = message.find(path())) != std::string::npos;)
            message.replace(at, path().size(), "FILE");
        return message;
    }

  private:
    int file_;
};

}  // namespace ailab::test
