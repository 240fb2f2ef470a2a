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

void told_by_exit(int status, void*) {
    tell(concat("exit(", status, ")"));
}

void told_by_quick_exit() {
    tell("quick_exit()");
}

}  // namespace

ExitGuard::ExitGuard() {
    // What is registered last is called first: before the destructors of what exists by now.
    ::on_exit(told_by_exit, nullptr);
    std::at_quick_exit(told_by_quick_exit);
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
