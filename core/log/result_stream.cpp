#include "result_stream.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace ailab {
namespace {
std::FILE* results = nullptr;
}

void occupy_closed_streams() noexcept {
    // Opened the wrong way round, so that using one is an error (EBADF) and no silence.
    constexpr int wrong_way[] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream)
        if (::fcntl(stream, F_GETFD) < 0) (void)!::open("/dev/null", wrong_way[stream]);
}

int above_standard_streams(int file) noexcept {
    if (file < STDIN_FILENO || file > STDERR_FILENO) return file;
    const int higher = ::fcntl(file, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (higher < 0) return file;
    ::close(file);
    occupy_closed_streams();
    return higher;
}

void keep_stdout_for_results() {
    if (results) return;
    std::fflush(stdout);
    const int kept = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (kept < 0) return;  // no descriptor is left: results go where they went
    std::FILE* const stream = ::fdopen(kept, "w");
    if (stream && ::dup2(STDERR_FILENO, STDOUT_FILENO) >= 0) results = stream;
}

std::FILE* result_stream() noexcept {
    return results ? results : stdout;
}

}  // namespace ailab
