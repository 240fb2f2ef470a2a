#pragma once
// Opening what the user names as a file: a configuration, data, weights, a plugin.
#include <sys/types.h>

#include <cstdint>
#include <string>

#include "ailab/export.hpp"

namespace ailab {

/// "a folder", "a named pipe", "a socket", "a device"; "" for a regular file.
AILAB_API std::string other_kind(mode_t mode);

/// Whether a symbolic link stands for the file that it leads to.
enum class Links { follow, refuse };

/// A regular file, open for reading. Opening it never waits: a named pipe without a writer would
/// have the run wait for good, and reading a device need not end.
class AILAB_API RegularFile {
  public:
    /// Does not throw: see problem().
    explicit RegularFile(const std::string& path, Links links = Links::follow);
    ~RegularFile();
    RegularFile(const RegularFile&) = delete;
    RegularFile& operator=(const RegularFile&) = delete;

    /// Why it cannot be read ("No such file or directory", "it is a named pipe"), or "".
    const std::string& problem() const { return problem_; }
    int descriptor() const { return descriptor_; }
    /// In bytes, when it was opened.
    uint64_t size() const { return size_; }

    /// Reads up to `count` bytes at `offset`: fewer where the file ends. Throws Error with the
    /// system's reason alone. Thread-safe.
    uint64_t read(void* to, uint64_t count, uint64_t offset) const;
    /// All of it. Throws Error as read() does, and where it has grown beyond or become shorter than
    /// its size().
    std::string text() const;

  private:
    int descriptor_ = -1;
    uint64_t size_ = 0;
    std::string problem_;
};

/// The whole of a small file. Throws Error that names it when it cannot be read, or is larger than
/// `limit`.
AILAB_API std::string read_regular_file(const std::string& path, uint64_t limit);

}  // namespace ailab
