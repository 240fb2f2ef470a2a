#pragma once
#include <cstdint>
#include <string>

#include "ailab/support/regular_file.hpp"

namespace ailab {

/// A regular file, open for reading at any offset. Every failing call is an Error that names it.
class InputFile {
  public:
    explicit InputFile(const std::string& path, Links links = Links::follow);

    const std::string& path() const { return path_; }
    /// In bytes, when it was opened.
    uint64_t size() const { return file_.size(); }
    /// Reads exactly `count` bytes. Thread-safe.
    void read(void* to, uint64_t count, uint64_t offset) const;
    /// All of it.
    std::string read_all() const;

  private:
    const std::string path_;
    const RegularFile file_;
};

}  // namespace ailab
