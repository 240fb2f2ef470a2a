#include "host/exit_guard.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace ailab {
namespace {

/// How a process ends that lives under a guard and does `work`.
int status_under_guard(void (*work)()) {
    const pid_t process = ::fork();
    if (process == 0) {
        const ExitGuard guard;
        work();
        ::_exit(42);
    }
    int status = 0;
    ::waitpid(process, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// Forks a process that ends so, and ends as that has.
void fork_one(void (*end)()) {
    tell_exits([](const std::string&) { ::_exit(99); });
    const pid_t child = ::fork();
    if (child == 0) end();
    int status = 0;
    ::waitpid(child, &status, 0);
    ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 98);
}

TEST(ExitGuard, ExitInTheMiddleOfTheWorkIsAFailure) {
    EXPECT_EQ(status_under_guard([] { std::exit(0); }), 1);
    EXPECT_EQ(status_under_guard([] { std::quick_exit(0); }), 1);
}

TEST(ExitGuard, AForkedProcessEndsAsItLikes) {
    EXPECT_EQ(status_under_guard([] { fork_one([] { std::exit(3); }); }), 3);
    EXPECT_EQ(status_under_guard([] { fork_one([] { std::quick_exit(4); }); }), 4);
    EXPECT_EQ(status_under_guard([] { fork_one([] { ::_exit(5); }); }), 5);
}

}  // namespace
}  // namespace ailab
