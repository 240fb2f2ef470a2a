#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "ailab/support/file_descriptor.hpp"

namespace ailab {

/// Appends each line to a file with one write(), so that nothing is lost when the process is killed
/// and lines of several processes do not mix. Not thread-safe: the log holds its lock.
class FileSink {
  public:
    /// Throws Error when the file cannot be opened.
    explicit FileSink(const std::string& path);

    /// What is wrong when the line cannot be written: said once, and the file has ended. It never
    /// throws, for lines are also logged where nobody could catch.
    std::optional<std::string> write(std::string_view line);

  private:
    std::string end(int error);

    std::string path_;
    FileDescriptor file_;
};

}  // namespace ailab
