#pragma once
#include <cstddef>
#include <string>

#include "ailab/support/file_descriptor.hpp"

namespace ailab::shm {

/// A piece of POSIX shared memory, mapped for as long as this lives. Errors are thrown as Error.
class SharedSegment {
  public:
    /// A new one with a name nobody else has. Its memory is not reserved yet.
    static SharedSegment create(size_t bytes);
    static SharedSegment open(const std::string& name, size_t bytes);
    ~SharedSegment();
    SharedSegment(SharedSegment&& other) noexcept;
    SharedSegment& operator=(SharedSegment&&) = delete;

    /// Takes the memory now, so that the lack of it is an error here and not a SIGBUS later. Called
    /// by the rank that uses this part most: the pages come from its memory node.
    void reserve(size_t offset, size_t bytes);
    /// Ends the name: the memory goes when the last rank unmaps it, also when all are killed.
    void unlink() noexcept;

    /// Marks byte `rank` as held by this process, until it ends in whatever way: the kernel drops a
    /// file lock with its process. Unlike process ids this also works between containers, and for
    /// processes that nobody has waited for.
    void hold(int rank);
    bool held_by_other(int rank) const;

    char* data() const { return data_; }
    size_t size() const { return size_; }
    const std::string& name() const { return name_; }

  private:
    SharedSegment(std::string name, int file, size_t bytes, bool owns_name);

    std::string name_;
    FileDescriptor file_;
    size_t size_ = 0;
    char* data_ = nullptr;
    bool owns_name_ = false;
};

/// Free bytes of /dev/shm, or -1 when there is none.
long long free_shared_memory();

}  // namespace ailab::shm
