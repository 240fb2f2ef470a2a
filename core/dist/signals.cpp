#include "signals.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>

#include "last_words.hpp"
#include "log/log.hpp"

namespace ailab::dist {
namespace {

// What a signal handler may touch: no locks, no allocation.
std::atomic<int> first_signal{0};
std::atomic<int> wake{-1};
std::atomic<const BeatCell*> own_beat{nullptr};
std::array<char, 64> own_host{};

static_assert(std::atomic<int>::is_always_lock_free &&
              std::atomic<const BeatCell*>::is_always_lock_free);

sigset_t stop_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
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
    FixedText& operator<<(int64_t value) noexcept {
        char* const end = buffer_.data() + buffer_.size();
        size_ = size_t(std::to_chars(buffer_.data() + size_, end, value).ptr - buffer_.data());
        return *this;
    }
    void print() const noexcept { (void)!::write(STDERR_FILENO, buffer_.data(), size_); }

  private:
    std::array<char, 512> buffer_{};
    size_t size_ = 0;
};

/// True for the first signal; a second one does not return.
bool note(int signal) noexcept {
    int none = 0;
    if (first_signal.compare_exchange_strong(none, signal)) return true;
    ::_exit(128 + signal);
}

void end_alone(int signal) {
    note(signal);
    FixedText line;
    if (console_is_drawn_on()) line << "\n";
    line << "ailab: [rank 0, " << own_host.data() << "] ";
    const Heartbeat now = own_beat.load()->get();
    line << now.phase;
    if (std::strcmp(now.phase, "start") != 0)
        line << ", epoch " << now.epoch << ", iter " << now.iter << ", step " << now.step;
    line << ": stopped by " << signal_name(signal) << "\n";
    line.print();
    ::_exit(128 + signal);
}

void wake_watcher(int signal) {
    const int error = errno;
    note(signal);
    const uint64_t one = 1;
    (void)!::write(wake.load(), &one, sizeof one);
    errno = error;
}

}  // namespace

int stop_requested() noexcept {
    return first_signal.load(std::memory_order_relaxed);
}

SignalGuard::SignalGuard(const BeatCell& beat, const std::string& host) {
    own_beat = &beat;
    own_host.fill('\0');
    host.copy(own_host.data(), own_host.size() - 1);
    install(end_alone);
}

SignalGuard::SignalGuard(int wake_fd) {
    wake = wake_fd;
    install(wake_watcher);
    const sigset_t both = stop_signals();
    pthread_sigmask(SIG_BLOCK, &both, &mask_before_);
    blocked_ = true;
}

SignalGuard::~SignalGuard() {
    sigaction(SIGTERM, &term_before_, nullptr);
    sigaction(SIGINT, &int_before_, nullptr);
    if (blocked_) pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

void SignalGuard::install(void (*handler)(int)) {
    first_signal = 0;
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_mask = {};
    action.sa_flags = SA_RESTART;
    sigaction(SIGTERM, &action, &term_before_);
    sigaction(SIGINT, &action, &int_before_);
    // A background job of a shell is started with SIGINT ignored, and is to stay so.
    if (int_before_.sa_handler == SIG_IGN) sigaction(SIGINT, &int_before_, nullptr);
}

void unblock_stop_signals() {
    const sigset_t both = stop_signals();
    pthread_sigmask(SIG_UNBLOCK, &both, nullptr);
}

}  // namespace ailab::dist
