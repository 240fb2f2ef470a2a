#pragma once
#include <cstdint>
#include <string>

namespace ailab {

/// Whether a symbolic link stands for the file that it leads to.
enum class Links { follow, refuse };

/// A regular file, open for reading at any offset. Every failing call is an Error that names it.
class InputFile {
  public:
    explicit InputFile(const std::string& path, Links links = Links::follow);
    ~InputFile();
    InputFile(const InputFile&) = delete;
    InputFile& operator=(const InputFile&) = delete;

    const std::string& path() const { return path_; }
    /// In bytes, when it was opened.
    uint64_t size() const { return size_; }
    /// Reads exactly `count` bytes. Thread-safe.
    void read(void* to, uint64_t count, uint64_t offset) const;
    /// All of it.
    std::string read_all() const;

  private:
    std::string path_;
    int file_;
    uint64_t size_ = 0;
};

}  // namespace ailab
