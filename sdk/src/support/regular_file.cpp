#include "ailab/support/regular_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "ailab/error.hpp"

namespace ailab {

std::string other_kind(mode_t mode) {
    if (S_ISREG(mode)) return "";
    if (S_ISDIR(mode)) return "a folder";
    if (S_ISFIFO(mode)) return "a named pipe";
    if (S_ISSOCK(mode)) return "a socket";
    return "a device";
}

namespace {

/// Why there is no such file, where the name itself tells more than the system does.
std::string missing(const std::string& path, int reason) {
    if (path.empty()) return "its name is empty";
    if (reason == ENOENT && path.find("://") != std::string::npos)
        return "it is an address, and only files are read; fetch it first";
    return std::strerror(reason);
}

}  // namespace

RegularFile::RegularFile(const std::string& path, Links links) {
    if (path.find('\0') != std::string::npos) {  // where the system would take the name to end
        problem_ = "its name holds the character 0";
        return;
    }
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY |
                                           (links == Links::refuse ? O_NOFOLLOW : 0));
    const int reason = errno;
    struct stat info {};
    // A socket cannot even be opened.
    const int looked = descriptor_ >= 0 ? ::fstat(descriptor_, &info) : ::stat(path.c_str(), &info);
    const std::string kind = looked == 0 ? other_kind(info.st_mode) : "";
    if (descriptor_ < 0 && links == Links::refuse && reason == ELOOP)
        problem_ = "it is a symbolic link";
    else if (!kind.empty())
        problem_ = concat("it is ", kind);
    else if (descriptor_ < 0)
        problem_ = missing(path, reason);
    else if (looked != 0)
        problem_ = std::strerror(errno);
    size_ = uint64_t(info.st_size);
}

RegularFile::~RegularFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

uint64_t RegularFile::read(void* to, uint64_t count, uint64_t offset) const {
    auto* bytes = static_cast<char*>(to);
    uint64_t done = 0;
    while (done < count) {
        const ssize_t n = ::pread(descriptor_, bytes + done, count - done, off_t(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw Error(std::strerror(errno));
        if (n == 0) break;
        done += uint64_t(n);
    }
    return done;
}

std::string RegularFile::text() const {
    std::string text(size_, '\0');
    if (read(text.data(), size_, 0) < size_) throw Error("it became shorter while it was read");
    return text;
}

std::string read_regular_file(const std::string& path, uint64_t limit) {
    const RegularFile file(path);
    if (!file.problem().empty()) throw Error(concat("cannot open ", path, ": ", file.problem()));
    if (file.size() > limit)
        throw Error(concat(path, " has ", file.size(), " bytes; at most ", limit, " are expected"));
    try {
        return file.text();
    } catch (const Error& error) {
        throw Error(concat("cannot read ", path, ": ", error.what()));
    }
}

}  // namespace ailab
