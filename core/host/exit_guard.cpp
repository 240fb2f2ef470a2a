#include "exit_guard.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "ailab/error.hpp"

namespace ailab {
namespace {

std::atomic<bool> guarded{false};
std::atomic<pid_t> guarded_process{0};
std::mutex teller_mutex;
std::function<void(const std::string&)>& teller() {
    // Never destroyed: exit() destroys what is static.
    static auto* const function = new std::function<void(const std::string&)>;
    return *function;
}

void tell(const std::string& call) {
    if (!guarded.exchange(false)) return;
    const std::string text =
        concat(call,
               " was called in the middle of the work, by a plugin or a library that it uses. A "
               "module that cannot go on throws; only ailab-run ends the process");
    std::function<void(const std::string&)> told;
    {
        const std::lock_guard lock(teller_mutex);
        told = teller();
    }
    if (told) told(text);
    std::fprintf(stderr, "ailab-run: %s\n", text.c_str());
    ::_exit(1);
}

/// A process that a plugin has forked, say to run a tool: its end is none of the run's.
bool is_a_child() {
    return guarded && ::getpid() != guarded_process;
}

void told_by_exit(int status, void*) {
    if (is_a_child()) {
        // Without the destructors: they would wait for threads that a child has not.
        std::fflush(nullptr);
        ::_exit(status);
    }
    tell(concat("exit(", status, ")"));
}

void told_by_quick_exit() {
    if (!is_a_child()) tell("quick_exit()");
}

}  // namespace

ExitGuard::ExitGuard() {
    // What is registered last is called first: before the destructors of what exists by now.
    ::on_exit(told_by_exit, nullptr);
    std::at_quick_exit(told_by_quick_exit);
    guarded_process = ::getpid();
    guarded = true;
}

ExitGuard::~ExitGuard() {
    guarded = false;
}

void tell_exits(std::function<void(const std::string&)> tell) {
    const std::lock_guard lock(teller_mutex);
    teller() = std::move(tell);
}

}  // namespace ailab
