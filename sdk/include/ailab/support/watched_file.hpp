#pragma once
// Files that a run reads throughout, and that must stay as they are.
#include <memory>
#include <string>
#include <string_view>

#include "ailab/export.hpp"

namespace ailab {

class FileWatch;

/// A file that the samples depend on while this lives: kept open, or with places in it that are
/// known. What it is now (size, time of the last change, inode) is looked at again with the batches
/// by the thread that makes them; a file that is not what it was ends the run with a message that
/// names it. Not for files that are read once. const calls are thread-safe.
class AILAB_API WatchedFile {
  public:
    /// Throws ConfigError when there is no such file.
    explicit WatchedFile(const std::string& path);
    ~WatchedFile();
    WatchedFile(const WatchedFile&) = delete;
    WatchedFile& operator=(const WatchedFile&) = delete;

    const std::string& path() const;
    /// To be called where a sample reads it: all files that a batch came from are looked at with
    /// that batch, of the others a few in turn. Cheap.
    void use() const;
    /// Throws Error when the file is not what it was.
    void check() const;

  private:
    const std::shared_ptr<FileWatch> watch_;
};

/// A watched file as read-only memory that all processes of a host share. What can no longer be
/// read there (the file was cut, its disk failed) is zeros, and check() fails. const calls are
/// thread-safe.
class AILAB_API MappedFile {
  public:
    /// What the system may read ahead.
    enum class Order { forward, random };

    /// Throws ConfigError when the file is missing, a folder, or unreadable.
    explicit MappedFile(const std::string& path, Order order = Order::forward);
    ~MappedFile();
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    const std::string& path() const;
    /// All of it. Counts as use().
    std::string_view text() const {
        use();
        return text_;
    }
    /// To be called where a sample reads what an earlier text() gave.
    void use() const;
    /// Throws Error when the file is not what it was.
    void check() const;

  private:
    const std::shared_ptr<FileWatch> watch_;
    std::string_view text_;
};

}  // namespace ailab
