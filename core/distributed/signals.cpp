#include "signals.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <optional>

#include "ailab/error.hpp"
#include "ailab/log.hpp"
#include "host/mapped_memory.hpp"
#include "last_words.hpp"
#include "log/log.hpp"

namespace ailab::dist {
namespace {

// What a signal handler may touch: no locks, no allocation.
std::atomic<int> first_signal{0};
std::atomic<int64_t> first_signal_at{0};  // ns
std::atomic<bool> checkpoint_wanted{false};
std::atomic<bool> end_wanted{false};  // by SIGUSR2
std::atomic<bool> graceful{false};
std::atomic<bool> complete{false};
std::atomic<int> wake{-1};
std::atomic<const BeatCell*> own_beat{nullptr};
std::array<char, 64> own_host{};

std::atomic<bool> speaks_here{false};  // on rank 0

/// While a SignalGuard lives: what it has put there, and for which signals.
struct Installed {
    struct sigaction action {};
    std::vector<int> signals;
};
std::optional<Installed> installed;
std::array<char, 4096> end_path{};
std::atomic<bool> end_is_noted{false};

/// A fault in mapped memory of this process, which cannot go on.
std::array<char, 5120> fault_text{};
std::atomic<bool> fault_begun{false};
std::atomic<bool> fault_is_there{false};

/// The paths of the last checkpoints in turn, so that those a handler reads are not written to.
struct Checkpoints {
    static constexpr size_t kept = 4;
    std::array<std::array<char, 4096>, kept> paths{};
    std::atomic<size_t> count{0};
};
Checkpoints checkpoints;

static_assert(std::atomic<int>::is_always_lock_free &&
              std::atomic<const BeatCell*>::is_always_lock_free);

constexpr std::array taken_over = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};

/// A terminal and a launcher may both pass on the same wish: so soon it is not a second one.
constexpr int64_t same_wish = 200'000'000;  // ns

sigset_t stop_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : taken_over) sigaddset(&set, signal);
    return set;
}

int64_t now_ns() noexcept {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return int64_t(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

/// Text in a fixed buffer, for the handler.
class FixedText {
  public:
    FixedText& operator<<(const char* text) noexcept {
        const size_t count = std::min(std::strlen(text), buffer_.size() - size_);
        std::memcpy(buffer_.data() + size_, text, count);
        size_ += count;
        return *this;
    }
    /// Inside of a JSON string.
    FixedText& escaped(const char* text) noexcept {
        for (; *text != '\0'; ++text) {
            const char one[] = {*text, '\0'};
            const bool plain = static_cast<unsigned char>(*text) >= ' ';
            if (*text == '"' || *text == '\\') *this << "\\";
            *this << (plain ? one : " ");
        }
        return *this;
    }
    FixedText& operator<<(int64_t value) noexcept {
        char* const end = buffer_.data() + buffer_.size();
        size_ = size_t(std::to_chars(buffer_.data() + size_, end, value).ptr - buffer_.data());
        return *this;
    }
    void print(int file = STDERR_FILENO) const noexcept {
        (void)!::write(file, buffer_.data(), size_);
    }

  private:
    std::array<char, 6144> buffer_{};
    size_t size_ = 0;
};

/// The newest checkpoint that is complete; nullptr for none.
const char* newest_checkpoint() noexcept {
    const size_t count = checkpoints.count.load();
    for (size_t back = 1; back <= std::min<size_t>(count, 2); ++back) {
        const char* path = checkpoints.paths[(count - back) % Checkpoints::kept].data();
        // It gets its name when it is complete.
        if (::access(path, F_OK) == 0) return path;
    }
    return nullptr;
}

/// {"exit": "failed: …"}, as the run itself writes it.
void write_end(const char* how, const char* what, const char* more) noexcept {
    if (!end_is_noted.load()) return;
    const int file = ::open(end_path.data(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0) return;  // the line on the console says it
    FixedText text;
    text << "{\"exit\": \"" << how;
    (text.escaped(what).escaped(more) << "\"}\n").print(file);
    ::close(file);
}

[[noreturn]] void end_at_once(int signal) noexcept {
    write_end("stopped: ", signal_name(signal), " again: ended at once");
    if (speaks_here.load()) {
        FixedText line;
        if (console_is_drawn_on()) line << "\n";
        line << "ailab: " << signal_name(signal) << " again: ended at once; ";
        if (const char* path = newest_checkpoint())
            line << "the newest complete checkpoint is " << path << "\n";
        else
            line << "no checkpoint of this run is complete\n";
        line.print();
    }
    ::_exit(128 + signal);
}

/// Keeps the wish; a second one to end does not return.
void note(int signal) noexcept {
    if (signal == SIGUSR1) {
        checkpoint_wanted = true;
        return;
    }
    if (signal == SIGUSR2) {
        end_wanted = true;
        return;
    }
    int none = 0;
    if (first_signal.compare_exchange_strong(none, signal)) {
        first_signal_at = now_ns();
        return;
    }
    if (now_ns() - first_signal_at.load() > same_wish) end_at_once(signal);
}

bool ends_at_once(int signal) noexcept {
    return !graceful.load() && signal != SIGUSR1 && signal != SIGUSR2;
}

constexpr const char* closes = ": the run is complete and closes; a second one ends it at once";

[[noreturn]] void end_alone_with(const char* what, const char* more, int status) noexcept {
    write_end(status > 128 ? "stopped: " : "failed: ", what, more);
    FixedText line;
    if (console_is_drawn_on()) line << "\n";
    line << "ailab: [rank 0, " << own_host.data() << "] ";
    const Heartbeat now = own_beat.load()->get();
    line << now.phase;
    if (std::strcmp(now.phase, "start") != 0)
        line << ", epoch " << now.epoch << ", iter " << now.iter << ", step " << now.step;
    line << ": " << what << more << "\n";
    line.print();
    ::_exit(status);
}

void end_alone(int signal) {
    const bool first = first_signal.load() == 0;
    note(signal);
    if (ends_at_once(signal)) end_alone_with("stopped by ", signal_name(signal), 128 + signal);
    if (!complete.load() || !first || !speaks_here.load() || signal == SIGUSR1) return;
    FixedText line;
    if (console_is_drawn_on()) line << "\n";
    line << "ailab: " << signal_name(signal) << closes << "\n";
    line.print();
}

void end_alone_by_fault(const char* text) {
    end_alone_with(text, "", 1);
}

void wake_watcher() noexcept {
    const uint64_t one = 1;
    (void)!::write(wake.load(), &one, sizeof one);
}

/// The watcher tells it to rank 0 and ends the process; unless it is the one that cannot go on.
void end_job_by_fault(const char* text) {
    if (!fault_begun.exchange(true)) {
        const size_t size = std::min(std::strlen(text), fault_text.size() - 1);
        std::memcpy(fault_text.data(), text, size);
        fault_is_there = true;
        wake_watcher();
    }
    constexpr timespec patience{8, 0};
    ::nanosleep(&patience, nullptr);
    FixedText line;
    line << "ailab: " << text << "\n";
    line.print();
    ::_exit(1);
}

void pass_to_watcher(int signal) {
    const int error = errno;
    note(signal);
    wake_watcher();
    errno = error;
}

}  // namespace

int stop_requested() noexcept {
    return first_signal.load(std::memory_order_relaxed);
}

SignalRequests take_signal_requests() noexcept {
    SignalRequests requests;
    requests.checkpoint = checkpoint_wanted.exchange(false, std::memory_order_relaxed);
    requests.stop = first_signal.load(std::memory_order_relaxed);
    if (requests.stop == 0 && end_wanted.load(std::memory_order_relaxed)) requests.stop = SIGUSR2;
    return requests;
}

const char* mapped_memory_fault() noexcept {
    return fault_is_there.load() ? fault_text.data() : nullptr;
}

void set_run_complete() noexcept {
    graceful = true;
    complete = true;
}
bool run_complete() noexcept {
    return complete;
}
std::string complete_line(int signal) {
    return concat("ailab: ", signal_name(signal), closes);
}

void take_back_signals() {
    if (!installed) return;
    for (const int signal : installed->signals) {
        struct sigaction present {};
        if (sigaction(signal, nullptr, &present) != 0 ||
            present.sa_handler == installed->action.sa_handler)
            continue;
        sigaction(signal, &installed->action, nullptr);
        log_warning("a plugin, or a library that it uses, has ",
                    present.sa_handler == SIG_IGN   ? "switched off "
                    : present.sa_handler == SIG_DFL ? "set back "
                                                    : "put a handler of its own on ",
                    signal_name(signal),
                    ", by which the run is told to save a checkpoint: it is taken back");
    }
}

void set_graceful_stop(bool value) noexcept {
    graceful = value;
}
bool graceful_stop() noexcept {
    return graceful;
}

void say_no_more_at_signals() noexcept {
    end_is_noted = false;
    speaks_here = false;
}
bool signals_are_answered() noexcept {
    return speaks_here;
}

void note_end_in(const std::string& path) noexcept {
    end_is_noted = false;
    if (path.empty() || path.size() >= end_path.size()) return;
    std::memcpy(end_path.data(), path.c_str(), path.size() + 1);
    end_is_noted = true;
}

void note_checkpoint(const std::string& path) noexcept {
    const size_t count = checkpoints.count.load();
    std::array<char, 4096>& slot = checkpoints.paths[count % Checkpoints::kept];
    slot.fill('\0');
    path.copy(slot.data(), slot.size() - 1);
    checkpoints.count.store(count + 1);
}

SignalGuard::SignalGuard(const BeatCell& beat, const std::string& host) {
    own_beat = &beat;
    own_host.fill('\0');
    host.copy(own_host.data(), own_host.size() - 1);
    speaks_here = true;
    install(end_alone);
    tell_memory_faults(end_alone_by_fault);
}

SignalGuard::SignalGuard(int wake_fd, bool speaks) {
    speaks_here = speaks;
    wake = wake_fd;
    install(pass_to_watcher);
    tell_memory_faults(end_job_by_fault);
    const sigset_t both = stop_signals();
    pthread_sigmask(SIG_BLOCK, &both, &mask_before_);
    blocked_ = true;
}

void SignalGuard::settle() noexcept {
    settled_ = true;
    set_run_complete();
    speaks_here = false;
    wake = -1;
}

SignalGuard::~SignalGuard() {
    installed.reset();
    tell_memory_faults(nullptr);
    if (settled_) return;
    for (const auto& [signal, before] : before_) sigaction(signal, &before, nullptr);
    if (blocked_) pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

void SignalGuard::install(void (*handler)(int)) {
    first_signal = 0;
    checkpoint_wanted = end_wanted = false;
    graceful = complete = false;
    take_over_bus_faults();
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_mask = {};
    action.sa_flags = SA_RESTART;
    installed.emplace(Installed{action, {}});
    for (const int signal : taken_over) {
        struct sigaction before {};
        sigaction(signal, &action, &before);
        // A background job of a shell is started with SIGINT ignored, nohup with SIGHUP: so it is
        // to stay.
        if (before.sa_handler == SIG_IGN) {
            sigaction(signal, &before, nullptr);
            continue;
        }
        before_.emplace_back(signal, before);
        installed->signals.push_back(signal);
    }
}

void unblock_stop_signals() {
    const sigset_t both = stop_signals();
    pthread_sigmask(SIG_UNBLOCK, &both, nullptr);
}

}  // namespace ailab::dist
