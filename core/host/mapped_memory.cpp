#include "mapped_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <new>
#include <string_view>

#include "ailab/error.hpp"

namespace ailab {

/// Read by the signal handler: never freed, but used again.
struct MappedMemory::Region {
    std::atomic<uintptr_t> begin{0}, end{0};
    std::atomic<int> protection{0};
    std::atomic<bool> faulted{false};
    Region* next = nullptr;  // fixed when it joins the list
};

namespace {

using MappedRegion = MappedMemory::Region;

std::atomic<MappedRegion*> all_regions{nullptr};
std::atomic<void (*)(const char*)> memory_fault_teller{nullptr};

/// The handlers' texts are 16 KiB, the state of all registers up to 11.
constexpr size_t signal_stack_bytes = size_t{64} << 10;

static_assert(std::atomic<uintptr_t>::is_always_lock_free &&
              std::atomic<void (*)(const char*)>::is_always_lock_free);

std::mutex& region_mutex() {
    static std::mutex mutex;
    return mutex;
}

MappedRegion* add_region(void* data, size_t bytes, int protection) {
    const std::lock_guard lock(region_mutex());
    MappedRegion* region = all_regions.load();
    while (region && region->end.load() != 0) region = region->next;
    const bool is_new = !region;
    if (is_new) {
        region = new MappedRegion;  // NOLINT: kept for ever, see above
        region->next = all_regions.load();
    }
    region->faulted = false;
    region->protection = protection;
    region->begin = reinterpret_cast<uintptr_t>(data);
    region->end = reinterpret_cast<uintptr_t>(data) + bytes;
    if (is_new) all_regions = region;
    return region;
}

void remove_region(MappedRegion& region) {
    const std::lock_guard lock(region_mutex());
    region.end = 0;
    region.begin = 0;
}

// ---- in the signal handler: no locks, no allocation

/// Puts zeros in the place of the page and of what follows it in its mapping.
bool make_readable(uintptr_t address) noexcept {
    for (MappedRegion* region = all_regions.load(); region; region = region->next) {
        const uintptr_t end = region->end.load();
        if (address < region->begin.load() || address >= end) continue;
        const auto page = uintptr_t(::sysconf(_SC_PAGESIZE));
        const uintptr_t from = address / page * page;
        region->faulted = true;
        void* const at = reinterpret_cast<void*>(from);  // NOLINT
        return ::mmap(at, end - from, region->protection.load(),
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == at;
    }
    return false;
}

/// Text in a fixed buffer; what does not fit is left out.
template <size_t room>
class LineBuffer {
  public:
    void add(char c) noexcept {
        if (size_ + 1 < room) text_[size_++] = c;
    }
    void add(std::string_view text) noexcept {
        for (const char c : text) add(c);
    }
    void clear() noexcept { size_ = 0; }
    std::string_view view() const noexcept { return {text_.data(), size_}; }
    const char* c_str() noexcept {
        text_[size_] = '\0';
        return text_.data();
    }

  private:
    std::array<char, room> text_{};
    size_t size_ = 0;
};

using MapsLine = LineBuffer<4608>;

/// "55d0-55e0 r-xp 00000000 08:01 123    /path": the path if the address is there.
bool names_file(std::string_view line, uintptr_t address, std::string_view& path) noexcept {
    uintptr_t begin = 0, end = 0;
    const char* const last = line.data() + line.size();
    const char* const dash = std::from_chars(line.data(), last, begin, 16).ptr;
    if (dash == last || *dash != '-') return false;
    std::from_chars(dash + 1, last, end, 16);
    if (address < begin || address >= end) return false;
    const size_t slash = line.find('/');
    path = slash == std::string_view::npos ? std::string_view() : line.substr(slash);
    return true;
}

/// The file that is mapped at the address, in `line`'s memory; empty if there is none.
std::string_view mapped_file_at(uintptr_t address, MapsLine& line) noexcept {
    std::string_view path;
    const int maps = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    std::array<char, 1024> piece{};
    for (bool found = false; maps >= 0 && !found;) {
        const ssize_t got = ::read(maps, piece.data(), piece.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        for (ssize_t i = 0; i < got && !found; ++i) {
            if (piece[size_t(i)] != '\n') {
                line.add(piece[size_t(i)]);
                continue;
            }
            found = names_file(line.view(), address, path);
            if (!found) line.clear();
        }
    }
    if (maps >= 0) ::close(maps);
    return path;
}

[[noreturn]] void end_by_fault(std::string_view path, std::string_view what) noexcept {
    LineBuffer<5120> text;
    text.add(path);
    text.add(what);
    text.add(
        ". A run uses its files to the end: leave them as they are, and give new ones other names");
    if (const auto tell = memory_fault_teller.load()) tell(text.c_str());
    (void)!::write(STDERR_FILENO, "ailab: ", 7);
    text.add('\n');
    (void)!::write(STDERR_FILENO, text.view().data(), text.view().size());
    ::_exit(1);
}

// ---- code

/// Read by the signal handler: never freed, as plugins are never unloaded.
struct CodeFile {
    std::string path;
    struct stat was {};
    CodeFile* next = nullptr;  // fixed when it joins the list
};
std::atomic<CodeFile*> code_files{nullptr};

/// All that other code can end in; SIGBUS too, see on_bus_fault.
constexpr std::array crashes = {SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGABRT};
std::array<struct sigaction, crashes.size()> actions_before{};

bool is_same_file(const struct stat& a, const struct stat& b) noexcept {
    return a.st_ino == b.st_ino && a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
           a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

/// Returns where the code is what it was.
void tell_if_code_was_changed(int signal) noexcept {
    struct stat now {};
    for (const CodeFile* file = code_files.load(); file; file = file->next) {
        if (::stat(file->path.c_str(), &now) != 0 || is_same_file(now, file->was)) continue;
        LineBuffer<64> what;
        what.add(" was changed under the run, which crashed (SIG");
        what.add(sigabbrev_np(signal));
        what.add(')');
        end_by_fault(file->path, what.view());
    }
}

void on_crash(int signal, siginfo_t* info, void*) {
    tell_if_code_was_changed(signal);
    // The instruction is run again, and meets what was there before; a signal that somebody sent is
    // sent again, and so is that of an instruction which has been left behind.
    for (size_t i = 0; i < crashes.size(); ++i)
        if (crashes[i] == signal) ::sigaction(signal, &actions_before[i], nullptr);
    if (info->si_code <= 0 || signal == SIGTRAP) ::raise(signal);
}

void on_bus_fault(int signal, siginfo_t* info, void*) {
    const int error = errno;
    const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
    const bool is_of_memory = info->si_code == BUS_ADRERR || info->si_code == BUS_OBJERR ||
                              info->si_code == BUS_MCEERR_AR;
    if (!is_of_memory) {  // sent by somebody, or an address that there cannot be
        tell_if_code_was_changed(signal);
        ::signal(signal, SIG_DFL);
        ::raise(signal);
        return;
    }
    if (make_readable(address)) {
        errno = error;
        return;
    }
    MapsLine line;
    const std::string_view path = mapped_file_at(address, line);
    end_by_fault(path.empty() ? "memory of this process" : path,
                 " can no longer be read (SIGBUS): it was cut or written anew while the run uses "
                 "it, or its disk failed");
}

}  // namespace

MappedMemory::MappedMemory(int file, size_t bytes, Access access) : bytes_(bytes) {
    take_over_bus_faults();
    const bool writes = access == Access::write;
    const int protection = writes ? PROT_READ | PROT_WRITE : PROT_READ;
    data_ = ::mmap(nullptr, bytes, protection, MAP_SHARED | (writes ? 0 : MAP_NORESERVE), file, 0);
    if (data_ == MAP_FAILED)
        throw Error(concat(std::strerror(errno), " (", bytes, " bytes to be mapped)"));
    region_ = add_region(data_, bytes, protection);
}

MappedMemory::~MappedMemory() {
    remove_region(*region_);
    ::munmap(data_, bytes_);
}

bool MappedMemory::faulted() const noexcept {
    return region_->faulted.load();
}

void take_over_bus_faults() {
    static const bool taken = [] {
        struct sigaction action {};
        action.sa_sigaction = on_bus_fault;
        action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
        ::sigaction(SIGBUS, &action, nullptr);
        return true;
    }();
    (void)taken;
}

void watch_code(const std::string& path) {
    const std::lock_guard lock(region_mutex());
    auto file = std::make_unique<CodeFile>();
    file->path = std::filesystem::absolute(path).string();
    if (::stat(file->path.c_str(), &file->was) != 0) return;  // the crash will have to do
    file->next = code_files.load();
    const bool is_first = !file->next;
    code_files = file.release();
    if (!is_first) return;
    struct sigaction action {};
    action.sa_sigaction = on_crash;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (size_t i = 0; i < crashes.size(); ++i)
        ::sigaction(crashes[i], &action, &actions_before[i]);
}

SignalStack::SignalStack() noexcept : memory_(new (std::nothrow) char[signal_stack_bytes]) {
    stack_t own{};
    own.ss_sp = memory_.get();
    own.ss_size = signal_stack_bytes;
    if (memory_ && ::sigaltstack(&own, &before_) != 0) memory_.reset();
}

SignalStack::~SignalStack() {
    if (memory_) ::sigaltstack(&before_, nullptr);
}

void tell_memory_faults(void (*tell)(const char* text)) noexcept {
    memory_fault_teller = tell;
}

}  // namespace ailab
