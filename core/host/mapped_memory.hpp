#pragma once
// Memory mapped from files, and what becomes of a page that cannot be read.
#include <atomic>
#include <csignal>
#include <cstddef>
#include <memory>
#include <string>

namespace ailab {

/// Pages of an open file in memory, shared with whoever maps them too. A page that cannot be read
/// any more (the file was cut, its disk failed) becomes zeros of this process alone, and faulted()
/// true, where it would end the process by SIGBUS.
class MappedMemory {
  public:
    enum class Access { read, write };

    /// Behind the file's end nothing may be touched before it is there. Throws Error.
    MappedMemory(int file, size_t bytes, Access access);
    ~MappedMemory();
    MappedMemory(const MappedMemory&) = delete;
    MappedMemory& operator=(const MappedMemory&) = delete;

    void* data() const { return data_; }
    size_t size() const { return bytes_; }
    bool faulted() const noexcept;

    struct Region;

  private:
    void* data_ = nullptr;
    size_t bytes_ = 0;
    Region* region_ = nullptr;
};

/// Takes over SIGBUS, once for all. A fault in memory that is mapped otherwise (the code of a
/// plugin) ends the process with a message that names the file.
void take_over_bus_faults();

/// Code of this process, read from its file when it is called: written over it is other code, and
/// crashes in any way. If the file is not what it was, the message says that; other crashes are as
/// before.
void watch_code(const std::string& path);

/// While it lives, such messages of this thread are made on memory of their own: other code may
/// leave the stack pointer anywhere. To be destroyed in the thread that made it. Without memory for
/// it there is none.
class SignalStack {
  public:
    SignalStack() noexcept;
    ~SignalStack();
    SignalStack(const SignalStack&) = delete;
    SignalStack& operator=(const SignalStack&) = delete;

  private:
    std::unique_ptr<char[]> memory_;
    stack_t before_{};
};

/// Who tells such messages in place of stderr. Called in the signal handler, of any thread; it must
/// end the process. nullptr: stderr and exit status 1.
void tell_memory_faults(void (*tell)(const char* text)) noexcept;

}  // namespace ailab
