#pragma once
// The files that a run needs as they are. The other side of <ailab/support/watched_file.hpp>.
#include <sys/stat.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "mapped_memory.hpp"

namespace ailab {

/// What a file was when it was opened. Made by a std::make_shared; watched while it lives, by
/// whichever threads make batches. Thread-safe.
class FileWatch : public std::enable_shared_from_this<FileWatch> {
  public:
    enum class May { not_change, grow };

    /// `may`: a cache that is written by several grows, and its time changes. Throws ConfigError.
    explicit FileWatch(const std::string& path, May may = May::not_change);
    ~FileWatch();
    FileWatch(const FileWatch&) = delete;
    FileWatch& operator=(const FileWatch&) = delete;

    const std::string& path() const { return path_; }
    /// The size that it had.
    size_t size() const { return size_t(size_); }
    /// Maps the open file, which lives as long as this. check() tells of faults there. Throws
    /// Error.
    const MappedMemory& map(int file, size_t bytes, MappedMemory::Access access);
    /// The batch that is made on this thread, if any, depends on it.
    void use();
    /// Throws Error when it is not what it was.
    void check();

  private:
    std::string difference();

    const std::string path_, absolute_path_;
    const May may_;
    ino_t inode_ = 0;
    std::atomic<off_t> size_{0};
    timespec changed_{};
    std::mutex mutex_;
    std::vector<std::unique_ptr<MappedMemory>> memory_;  // guarded by mutex_
};

/// Gathers what this thread use()s while it lives. Not nested.
class FileUses {
  public:
    FileUses();
    ~FileUses();
    FileUses(const FileUses&) = delete;
    FileUses& operator=(const FileUses&) = delete;

    /// Looks at those files, and at a few of the others in turn. Throws Error when one is not what
    /// it was.
    void check();

  private:
    friend class FileWatch;
    std::vector<std::shared_ptr<FileWatch>> files_;
};

}  // namespace ailab
