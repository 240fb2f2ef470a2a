#pragma once
#include <cstdint>
#include <string>

#include "ailab/support/regular_file.hpp"

namespace ailab::plugin {

/// A file open for reading at any offset. Throws ConfigError when it cannot be read.
class ByteFile {
  public:
    explicit ByteFile(const std::string& path);

    uint64_t size() const { return file_.size(); }
    /// Exactly `size` bytes.
    std::string read(uint64_t offset, uint64_t size) const;

  private:
    const std::string path_;
    const RegularFile file_;
};

}  // namespace ailab::plugin
