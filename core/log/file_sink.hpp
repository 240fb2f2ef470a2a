#pragma once
#include <string>
#include <string_view>

namespace ailab {

/// Appends each line to a file with one write(), so that nothing is lost when the process is killed
/// and lines of several processes do not mix. A line that cannot be written ends the file with one
/// complaint on stderr; it never throws, for lines are also logged where nobody could catch. Not
/// thread-safe: the log holds its lock.
class FileSink {
  public:
    /// Throws Error when the file cannot be opened.
    explicit FileSink(const std::string& path);
    ~FileSink();
    FileSink(const FileSink&) = delete;
    FileSink& operator=(const FileSink&) = delete;

    void write(std::string_view line);

  private:
    void fail(int error);

    std::string path_;
    int file_ = -1;
};

}  // namespace ailab
