#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "ailab/support/append_file.hpp"

namespace ailab {

/// A file that lines are appended to. Every failing call is an Error that names the file.
class LineWriter {
  public:
    /// Makes the file's folder too. Lines are collected until there are `buffer` bytes of them;
    /// with 0 each one is written at once, so that the file of a killed run is complete.
    void open(const std::string& path, size_t buffer = 0);
    bool is_open() const { return file_.is_open(); }
    /// What cannot be written is lost, and leaves no torn line behind.
    void write(const std::string& line);
    void flush();

  private:
    AppendFile file_;
    size_t buffer_size_ = 0;
    std::string pending_;
};

/// Bytes of a file; -1 if there is none.
int64_t file_bytes(const std::string& path);
/// Cuts a file back to so many bytes. False, and nothing is changed, when it has not as many.
/// Throws Error when it cannot be cut.
bool cut_file(const std::string& path, int64_t bytes);

}  // namespace ailab
