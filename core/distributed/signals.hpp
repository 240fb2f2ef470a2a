#pragma once
#include <pthread.h>

#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include "heartbeat.hpp"

namespace ailab::dist {

/// The first of SIGTERM, SIGINT, SIGHUP that this process got, or 0.
int stop_requested() noexcept;

/// What signals ask of this process since they were last taken.
struct SignalRequests {
    /// SIGTERM, SIGINT, SIGHUP or SIGUSR2: end after a checkpoint; 0: none.
    int stop = 0;
    /// SIGUSR1: a checkpoint, and go on.
    bool checkpoint = false;
};
SignalRequests take_signal_requests() noexcept;

/// The run has done all that it was to do and only closes: a first signal does not change its
/// status, and is answered by a line that says so; a second one ends the process at once.
void set_run_complete() noexcept;
bool run_complete() noexcept;
/// That answer, for who prints it in place of the handler.
std::string complete_line(int signal);

/// Whether the run looks at stop requests at its step boundaries and ends by itself (true), or a
/// stop ends the process at once (false, as at the start).
void set_graceful_stop(bool graceful) noexcept;
bool graceful_stop() noexcept;

/// Puts the handlers back, with a warning, where plugins or libraries have set their own: the run
/// would not hear of its end. What was ignored when the process started stays so. The thread of the
/// run.
void take_back_signals();

/// What took this process's memory away (a mapped file was cut) so that the thread that read it
/// cannot go on; nullptr: nothing did. The watcher tells it and ends the job.
const char* mapped_memory_fault() noexcept;

/// From here on a further signal ends the process without a word: why the job ends was told.
void say_no_more_at_signals() noexcept;
/// Whether a further signal is still worth a line.
bool signals_are_answered() noexcept;

/// Tells that the checkpoint at `path` is being written, and that the one before it is complete:
/// who ends the process at once says which is the newest. One thread.
void note_checkpoint(const std::string& path) noexcept;

/// Who ends the process at once writes down there that it did, as JSON; "" for nowhere. One thread.
void note_end_in(const std::string& path) noexcept;

/// Takes over SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGUSR2 while it lives. Of those that end the
/// run a second one ends the process at once, on rank 0 with a line that names the newest
/// checkpoint. A fault in mapped memory that cannot be made good (SIGBUS) ends the job with a
/// message.
class SignalGuard {
  public:
    /// For a job of one rank: the handler itself says where the run was and ends the process.
    SignalGuard(const BeatCell& beat, const std::string& host);
    /// For several ranks: the handler wakes the watcher's thread through this eventfd. The signals
    /// are blocked in the calling thread and in those it starts from now on, so that system calls
    /// there are not interrupted.
    SignalGuard(int wake_fd, bool speaks);
    ~SignalGuard();
    /// The job is over, and the run has its status: until the process ends signals stay as
    /// set_run_complete() has them, also when this goes.
    void settle() noexcept;
    SignalGuard(const SignalGuard&) = delete;
    SignalGuard& operator=(const SignalGuard&) = delete;

  private:
    void install(void (*handler)(int));

    bool blocked_ = false;
    bool settled_ = false;
    sigset_t mask_before_{};
    std::vector<std::pair<int, struct sigaction>> before_;
};

/// In the watcher's thread: the one that takes the signals.
void unblock_stop_signals();

}  // namespace ailab::dist
