#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "ailab/export.hpp"
#include "ailab/support/file_descriptor.hpp"

namespace ailab {

/// A file that is written at its end alone, and read by others meanwhile: what is appended is there
/// whole, or not at all. One thread at a time.
class AILAB_API AppendFile {
  public:
    enum class As {
        made,           // must not exist
        made_or_there,  // goes on behind what is there
        there,          // must exist
    };

    AppendFile() = default;
    /// Throws Error that names the file.
    AppendFile(std::string path, As as);

    bool is_open() const { return bool(file_); }
    const std::string& path() const { return path_; }
    /// In bytes.
    int64_t size() const { return size_; }
    /// The last byte; '\0' of an empty file.
    char last() const;

    /// "", or why it cannot. What a full disk took of `bytes` is cut off again; if not even that is
    /// possible the file is closed, for readers would take the torn end for the file's.
    std::string append(std::string_view bytes);
    /// Throws Error that names the file.
    void cut_to(int64_t size);
    void close() { file_.reset(); }

  private:
    std::string path_;
    FileDescriptor file_;
    int64_t size_ = 0;
};

}  // namespace ailab
