#pragma once
#include <unistd.h>

#include <utility>

namespace ailab {

/// An open file or socket of the system's, closed with this.
class FileDescriptor {
  public:
    FileDescriptor() = default;
    explicit FileDescriptor(int file) : file_(file) {}
    FileDescriptor(FileDescriptor&& other) noexcept : file_(other.release()) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        if (this != &other) {
            reset();
            file_ = other.release();
        }
        return *this;
    }
    ~FileDescriptor() { reset(); }

    /// Below 0: none.
    int get() const { return file_; }
    explicit operator bool() const { return file_ >= 0; }
    int release() { return std::exchange(file_, -1); }
    void reset() {
        if (file_ >= 0) ::close(file_);
        file_ = -1;
    }

  private:
    int file_ = -1;
};

}  // namespace ailab
