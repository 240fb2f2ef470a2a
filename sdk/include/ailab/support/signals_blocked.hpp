#pragma once
#include <signal.h>

namespace ailab {

/// While it lives, this thread takes no signals, nor do the threads and processes that it starts:
/// around calls that start some, since signals belong to the thread that watches the job, and its
/// handlers must not run elsewhere. Faults of a thread's own are left out: one that is blocked ends
/// the process without a word. Put on the stack of one thread.
class SignalsBlocked {
  public:
    SignalsBlocked() {
        sigset_t all;
        sigfillset(&all);
        for (const int fault : {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP}) sigdelset(&all, fault);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

  private:
    sigset_t before_;
};

}  // namespace ailab
