#include "address_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "ailab/error.hpp"
#include "frames.hpp"

namespace ailab::dist {
namespace {

const std::string magic = "ailab rendezvous 1";

/// The bytes of this user's regular file, or nothing.
std::optional<std::string> read_own(const std::string& path) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
        status.st_uid != ::geteuid())
        return std::nullopt;
    std::array<char, 8192> buffer;
    const ssize_t size = ::read(fd.get(), buffer.data(), buffer.size());
    if (size < 0) return std::nullopt;
    return std::string(buffer.data(), size_t(size));
}

Error cannot(const char* what, const std::string& path) {
    return Error(concat("cannot ", what, " ", path,
                        ", through which the ranks find each other: ", std::strerror(errno)));
}

void write_whole(const std::string& path, const std::string& bytes) {
    const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) throw cannot("create", path);
    // Some hundred bytes: a short write is a full disk.
    if (::write(fd.get(), bytes.data(), bytes.size()) != ssize_t(bytes.size()))
        throw cannot("write", path);
}

void check_replaceable(const AddressFile& file) {
    struct stat status {};
    if (::lstat(file.path.c_str(), &status) != 0 || status.st_size == 0) return;
    const std::optional<std::string> bytes = read_own(file.path);
    if (bytes && bytes->find(magic) != std::string::npos) return;
    throw ConfigError(concat(file.source, ": ", file.path,
                             " exists and was not left by an earlier job of yours; it is not ",
                             "overwritten. Remove it or give another path"));
}

}  // namespace

PublishedAddress::PublishedAddress(const AddressFile& file, const Address& address)
    : path_(file.path) {
    bytes_ = PayloadWriter()
                 .text(magic)
                 .text(file.key)
                 .text(address.meeting)
                 .number(address.store_port)
                 .bytes();
    check_replaceable(file);
    const std::string temporary = concat(path_, ".", host_name(), ".", int(::getpid()));
    ::unlink(temporary.c_str());
    write_whole(temporary, bytes_);
    if (::rename(temporary.c_str(), path_.c_str()) != 0) {
        const Error error = cannot("create", path_);
        ::unlink(temporary.c_str());
        throw error;
    }
}

PublishedAddress::~PublishedAddress() {
    if (read_own(path_) == bytes_) ::unlink(path_.c_str());
}

std::optional<Address> read_address(const AddressFile& file) {
    const std::optional<std::string> bytes = read_own(file.path);
    if (!bytes) return std::nullopt;
    try {
        PayloadReader reader(*bytes);
        if (reader.text() != magic || reader.text() != file.key) return std::nullopt;
        Address address;
        address.meeting = reader.text();
        address.store_port = uint16_t(reader.number());
        return address;
    } catch (const ProtocolError&) {
        return std::nullopt;
    }
}

}  // namespace ailab::dist
