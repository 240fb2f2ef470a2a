#include "file_sink.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "ailab/error.hpp"

namespace ailab {

FileSink::FileSink(const std::string& path)
    : path_(path), file_(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
    if (!file_)
        throw Error(concat("cannot write the log file ", path, ": ", std::strerror(errno),
                           ". Choose another log_dir or work_dir"));
}

std::optional<std::string> FileSink::write(std::string_view line) {
    if (!file_) return std::nullopt;
    for (size_t done = 0; done < line.size();) {
        const ssize_t n = ::write(file_.get(), line.data() + done, line.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return end(n < 0 ? errno : ENOSPC);
        done += size_t(n);
    }
    return std::nullopt;
}

std::string FileSink::end(int error) {
    file_.reset();
    return concat("cannot write the log file ", path_, ": ", std::strerror(error),
                  "; lines go to the console alone");
}

}  // namespace ailab
