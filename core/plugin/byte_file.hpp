#pragma once
#include <cstdint>
#include <string>

namespace ailab::plugin {

/// A file open for reading at any offset. Throws ConfigError when it cannot be read.
class ByteFile {
  public:
    explicit ByteFile(const std::string& path);
    ~ByteFile();
    ByteFile(const ByteFile&) = delete;
    ByteFile& operator=(const ByteFile&) = delete;

    uint64_t size() const { return size_; }
    /// Exactly `size` bytes.
    std::string read(uint64_t offset, uint64_t size) const;

  private:
    std::string path_;
    int descriptor_ = -1;
    uint64_t size_ = 0;
};

}  // namespace ailab::plugin
