#include "ailab/support/append_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "ailab/error.hpp"

namespace ailab {
namespace {

int flags_for(AppendFile::As as) {
    switch (as) {
        case AppendFile::As::made:
            return O_CREAT | O_EXCL;
        case AppendFile::As::made_or_there:
            return O_CREAT;
        case AppendFile::As::there:
            break;
    }
    return 0;
}

}  // namespace

AppendFile::AppendFile(std::string path, As as)
    : path_(std::move(path)),
      file_(::open(path_.c_str(), O_RDWR | O_APPEND | O_CLOEXEC | flags_for(as), 0666)) {
    struct stat status {};
    if (!file_ || ::fstat(file_.get(), &status) != 0)
        throw Error(concat("cannot write ", path_, ": ", std::strerror(errno)));
    size_ = int64_t(status.st_size);
}

char AppendFile::last() const {
    char byte = '\0';
    if (size_ > 0 && ::pread(file_.get(), &byte, 1, off_t(size_ - 1)) != 1) return '\0';
    return byte;
}

std::string AppendFile::append(std::string_view bytes) {
    for (size_t done = 0; done < bytes.size();) {
        const ssize_t n = ::write(file_.get(), bytes.data() + done, bytes.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            const std::string reason = std::strerror(n < 0 ? errno : ENOSPC);
            // From where it ends now: others may have appended to it, or cut it.
            const off_t end = done > 0 ? ::lseek(file_.get(), 0, SEEK_END) : 0;
            if (done > 0 && (end < off_t(done) || ::ftruncate(file_.get(), end - off_t(done)) != 0))
                close();
            return reason;
        }
        done += size_t(n);
    }
    size_ += int64_t(bytes.size());
    return "";
}

void AppendFile::cut_to(int64_t size) {
    if (::ftruncate(file_.get(), off_t(size)) != 0)
        throw Error(concat("cannot write ", path_, ": ", std::strerror(errno)));
    size_ = size;
}

}  // namespace ailab
