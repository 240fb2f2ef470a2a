#pragma once
#include <pthread.h>

#include <csignal>
#include <string>

#include "heartbeat.hpp"

namespace ailab::dist {

/// The first SIGTERM or SIGINT that this process got, or 0. A run that wants to stop gracefully
/// looks here at its step boundaries.
int stop_requested() noexcept;

/// Takes over SIGTERM and SIGINT while it lives. A second one ends the process at once.
class SignalGuard {
  public:
    /// For a job of one rank: the handler itself says where the run was and ends the process.
    SignalGuard(const BeatCell& beat, const std::string& host);
    /// For several ranks: the handler wakes the watcher's thread through this eventfd. Both signals
    /// are blocked in the calling thread and in those it starts from now on, so that system calls
    /// there are not interrupted.
    explicit SignalGuard(int wake_fd);
    ~SignalGuard();
    SignalGuard(const SignalGuard&) = delete;
    SignalGuard& operator=(const SignalGuard&) = delete;

  private:
    void install(void (*handler)(int));

    bool blocked_ = false;
    sigset_t mask_before_{};
    struct sigaction term_before_ {};
    struct sigaction int_before_ {};
};

/// In the watcher's thread: the one that takes the signals.
void unblock_stop_signals();

}  // namespace ailab::dist
