#include "result_stream.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace ailab {
namespace {
std::FILE* results = nullptr;
}

void keep_stdout_for_results() {
    if (results) return;
    std::fflush(stdout);
    const int kept = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (kept < 0) return;  // it is closed: writing results fails as ever
    std::FILE* const stream = ::fdopen(kept, "w");
    if (stream && ::dup2(STDERR_FILENO, STDOUT_FILENO) >= 0) results = stream;
}

std::FILE* result_stream() noexcept {
    return results ? results : stdout;
}

}  // namespace ailab
