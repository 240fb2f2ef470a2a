#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ailab/support/file_descriptor.hpp"

namespace ailab {

/// What a file held when it was written, to be found again later.
struct FileDigest {
    uint64_t size = 0;
    uint32_t crc32c = 0;
    bool operator==(const FileDigest&) const = default;
};

/// A new file that is on the disk when finish() returns. Every failing call is an Error that names
/// the file; a file that was not finished is removed again.
class DurableFile {
  public:
    /// The file must not exist: nothing is ever truncated in place.
    explicit DurableFile(const std::string& path);
    ~DurableFile();
    DurableFile(const DurableFile&) = delete;
    DurableFile& operator=(const DurableFile&) = delete;

    const std::string& path() const { return path_; }
    void write(const void* data, size_t size);
    void write(const std::string& text) { write(text.data(), text.size()); }
    /// Of what was written so far.
    const FileDigest& digest() const { return digest_; }
    /// fsync and close. A failed fsync is not tried again: the kernel may have dropped the pages.
    FileDigest finish();

  private:
    [[noreturn]] void fail(const char* what, int error) const;

    std::string path_;
    FileDescriptor file_;
    FileDigest digest_;
};

/// Finishes the files and syncs the folders, all at once: the disk then commits them together,
/// where one after another would wait for it as many times. Throws Error when any of it fails.
void finish_together(const std::vector<DurableFile*>& files,
                     const std::vector<std::string>& folders);

/// Makes the names in a folder last. Throws Error.
void sync_folder(const std::string& path);

/// Puts the folder `from` in the place of `to` in one step. A folder that is already there is
/// exchanged for it (where the file system can); returns where it lies then, or "". The caller
/// syncs the parent and removes it.
std::string replace_folder(const std::string& from, const std::string& to);

/// Replaces the file `to` by `from`. Throws Error.
void rename_file(const std::string& from, const std::string& to);

/// Replaces the small file `path` by one that holds `text`: afterwards, whatever happens, it is the
/// one or the other. Throws Error.
void replace_text_file(const std::string& path, const std::string& text);

/// The folder that holds `path`.
std::string parent_folder(const std::string& path);

/// The size and checksum of the file that is there now. Throws Error.
FileDigest digest_file(const std::string& path);

}  // namespace ailab
