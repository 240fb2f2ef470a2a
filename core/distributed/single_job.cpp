#include "single_job.hpp"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "ailab/error.hpp"
#include "host/exit_guard.hpp"
#include "last_words.hpp"
#include "launcher_watch.hpp"
#include "net.hpp"

namespace ailab::dist {
namespace {

/// Nobody reads the log any more: the run saves and ends, as by a signal, if it comes to that.
void end_by_signal() {
    ::kill(::getpid(), SIGTERM);
    constexpr std::chrono::seconds enough_to_save{60};
    std::this_thread::sleep_for(enough_to_save);
    ::_exit(128 + SIGTERM);
}

}  // namespace

SingleJob::SingleJob(RankInfo rank_info)
    : rank_info_(std::move(rank_info)),
      signals_(std::make_unique<SignalGuard>(beat_, host_name())) {
    when_launcher_ends(end_by_signal);
    tell_exits([this](const std::string& text) {
        const std::string doing = beat_.read().doing;
        fail(doing.empty() ? text : concat(doing, ": ", text), 1);
    });
}

SingleJob::~SingleJob() {
    tell_exits({});
}

void SingleJob::fail(const std::string& message, int status) {
    const Report report{.host = host_name(), .beat = beat_.read(), .text = message};
    print_last_words(status == 2 ? message : failure_line(report), message);
    // Not exit(): other threads still run, and may hold what destructors wait for.
    ::_exit(status);
}

void SingleJob::finish() {
    when_launcher_ends([] {});  // the run has its status
    tell_exits({});
    signals_->settle();
}

}  // namespace ailab::dist
