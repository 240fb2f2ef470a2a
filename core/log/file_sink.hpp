#pragma once
#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>

#include <string>

namespace ailab {

/// Appends each line to a file with one write(), so that nothing is lost when the process is killed
/// and lines of several processes do not mix. spdlog's own file sink buffers in the C library.
/// A line that cannot be written ends the file with one complaint on stderr; it never throws, for
/// lines are also logged where nobody could catch. Not thread-safe: the log holds its lock.
class FileSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
  public:
    /// Throws Error when the file cannot be opened.
    explicit FileSink(const std::string& path);
    ~FileSink() override;

  private:
    void sink_it_(const spdlog::details::log_msg& message) override;
    void flush_() override {}
    void fail(int error);

    std::string path_;
    int file_ = -1;
};

}  // namespace ailab
