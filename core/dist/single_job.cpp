#include "single_job.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>

#include "last_words.hpp"
#include "net.hpp"

namespace ailab::dist {

SingleJob::SingleJob(Placement placement)
    : placement_(std::move(placement)),
      signals_(std::make_unique<SignalGuard>(beat_, host_name())) {
    // It ends with an mpirun that is killed, and saves: nobody reads its log any more. (Jobs of
    // several ranks have a thread that watches the parent.)
    if (placement_.launcher == "mpirun") ::prctl(PR_SET_PDEATHSIG, SIGTERM);
}

void SingleJob::fail(const std::string& message, int status) {
    const Report report{.host = host_name(), .beat = beat_.read(), .text = message};
    print_line(status == 2 ? message : failure_line(report));
    // Not exit(): other threads still run, and may hold what destructors wait for.
    ::_exit(status);
}

}  // namespace ailab::dist
