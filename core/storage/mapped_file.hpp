#pragma once
#include <memory>
#include <string>
#include <string_view>

namespace ailab {

/// A file as memory that all processes of a host share. Throws ConfigError when it is missing, a
/// folder, or unreadable.
class MappedFile {
  public:
    explicit MappedFile(const std::string& path);
    ~MappedFile();
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    const std::string& path() const { return path_; }
    std::string_view text() const { return {data_, size_}; }

  private:
    const std::string path_;
    const char* data_ = nullptr;
    size_t size_ = 0;
};

}  // namespace ailab
