#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ailab/support/file_descriptor.hpp"
#include "host/file_watch.hpp"

namespace ailab {

/// The memory of a cache that the ranks of a host may share: a table of slots of a fixed size,
/// zeros at first, and behind it data that are only ever appended. A named file outlives the run.
class CacheFile {
  public:
    static constexpr size_t slot_bytes = 64;

    /// Opens or makes the file; with the name "", memory of this process. `bytes` bounds the data.
    /// Throws Error when the file holds something else, lies on a network file system, or cannot be
    /// made. What is damaged, or of another version, is made anew with a warning, unless another
    /// process uses it. `repair` is called while nobody else has the file open, if so it is. A
    /// named file is watched: one that is cut, removed or replaced ends the run.
    CacheFile(const std::string& path, int64_t bytes,
              const std::function<void(CacheFile& file)>& repair);
    CacheFile(const CacheFile&) = delete;
    CacheFile& operator=(const CacheFile&) = delete;

    const std::string& path() const { return path_; }
    uint64_t slots() const { return slots_; }
    /// Shared by all who have the file open.
    void* slot(uint64_t number) const { return table_ + header_bytes + number * slot_bytes; }

    /// Room for so many bytes, or 0 when the file is full. Atomic over all ranks.
    uint64_t reserve(uint64_t bytes);
    /// Writes to what was reserved. False when the disk is full or fails; errno says why.
    bool write(uint64_t offset, const void* data, size_t bytes) const;
    /// Whether the file has data there that this process can see. (Another one's may be larger.)
    bool has(uint64_t offset, uint64_t bytes) const;
    /// What was written there, read-only.
    const uint8_t* data(uint64_t offset) const {
        if (watch_) watch_->use();
        return data_ + offset;
    }

  private:
    struct Header;
    static constexpr size_t header_bytes = 4096;

    void open_unnamed();
    void open_named(const std::function<void(CacheFile& file)>& repair);
    void prepare(bool is_alone);
    void make_anew();
    void take_disk(uint64_t bytes);
    void map();
    const MappedMemory& map(uint64_t bytes, MappedMemory::Access access);
    Header& header() const;
    [[noreturn]] void fail(const std::string& what, int code) const;

    const std::string path_;
    const uint64_t bytes_;
    FileDescriptor file_;
    std::shared_ptr<FileWatch> watch_;                         // of a file with a name
    std::vector<std::unique_ptr<const MappedMemory>> memory_;  // of one without
    uint64_t slots_ = 0;
    uint8_t* table_ = nullptr;       // header and slots, writable
    const uint8_t* data_ = nullptr;  // the whole file, read-only
    uint64_t mapped_ = 0;            // bytes of data_
};

}  // namespace ailab
