#include "address_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "ailab/error.hpp"
#include "frames.hpp"

namespace ailab::dist {
namespace {

const std::string magic = "ailab rendezvous 2";

/// The bytes of this user's regular file, or nothing.
std::optional<std::string> read_own(const std::string& path) {
    const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
        status.st_uid != ::geteuid() || (status.st_mode & 077) != 0)
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

std::string folder_of(const std::string& path) {
    return path.substr(0, path.rfind('/'));
}

/// Whether nobody but this user can change what is in the folder, or put another in its place.
bool is_private(const std::string& folder) {
    struct stat own {
    }, parent{};
    if (::lstat(folder.c_str(), &own) != 0 || !S_ISDIR(own.st_mode) || own.st_uid != ::geteuid() ||
        (own.st_mode & 077) != 0)
        return false;
    if (::stat(folder_of(folder).c_str(), &parent) != 0) return false;
    const bool trusted = parent.st_uid == ::geteuid() || parent.st_uid == 0;
    return trusted && ((parent.st_mode & 022) == 0 || (parent.st_mode & S_ISVTX) != 0);
}

/// Makes it, if there is a place for it.
bool make_private(const std::string& folder) {
    (void)::mkdir(folder.c_str(), 0700);
    return is_private(folder) && ::access(folder.c_str(), W_OK) == 0;
}

/// Locked as long as the process lives: others see whose file is a left-over.
FileDescriptor write_whole(const std::string& path, const std::string& bytes) {
    FileDescriptor fd(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) throw cannot("create", path);
    // Some hundred bytes: a short write is a full disk.
    if (::write(fd.get(), bytes.data(), bytes.size()) != ssize_t(bytes.size()))
        throw cannot("write", path);
    (void)::flock(fd.get(), LOCK_EX | LOCK_NB);  // a file system without locks: nothing is removed
    return fd;
}

void check_replaceable(const AddressFile& file, const std::string& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0 || status.st_size == 0) return;
    const std::optional<std::string> bytes = read_own(path);
    if (bytes && bytes->find("ailab rendezvous ") != std::string::npos) return;
    throw ConfigError(concat(file.source, ": ", path,
                             " exists and was not left by an earlier job of yours; it is not ",
                             "overwritten. Remove it or give another path"));
}

/// Files whose rank 0 is gone: it was killed before the ranks had met. One that is just being
/// written is not yet locked.
void remove_left_overs(const std::string& folder) {
    constexpr time_t being_written = 60;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
        const std::string name = entry.path().filename();
        if (!name.starts_with("meet-") && !name.starts_with(".meet-")) continue;
        const FileDescriptor fd(
            ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
        struct stat status {};
        if (!fd || ::fstat(fd.get(), &status) != 0) continue;
        if (name[0] == '.' && ::time(nullptr) - status.st_mtime < being_written) continue;
        if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) ::unlink(entry.path().c_str());
    }
}

std::string path_to_write(const AddressFile& file) {
    if (!file.in_private_folder) return file.paths.at(0);
    for (const std::string& path : file.paths)
        if (make_private(folder_of(path))) return path;
    std::string folders;
    for (const std::string& path : file.paths)
        folders += concat(folders.empty() ? "" : ", ", folder_of(path));
    throw Error(concat("none of ", folders,
                       " can be made a folder of this user's alone, through which the ranks find "
                       "each other; set XDG_RUNTIME_DIR to a folder that you own (mode 700)"));
}

}  // namespace

PublishedAddress::PublishedAddress(const AddressFile& file, const Address& address)
    : path_(path_to_write(file)) {
    bytes_ = PayloadWriter()
                 .text(magic)
                 .text(file.key)
                 .text(address.meeting)
                 .text(address.secret)
                 .bytes();
    check_replaceable(file, path_);
    if (file.in_private_folder) remove_left_overs(folder_of(path_));
    const std::string temporary = concat(folder_of(path_), "/.", path_.substr(path_.rfind('/') + 1),
                                         ".", host_name(), ".", int(::getpid()));
    ::unlink(temporary.c_str());
    lock_ = write_whole(temporary, bytes_);
    if (::rename(temporary.c_str(), path_.c_str()) != 0) {
        const Error error = cannot("create", path_);
        ::unlink(temporary.c_str());
        throw error;
    }
    if (read_own(path_) == bytes_) return;
    ::unlink(path_.c_str());
    throw Error(concat(path_, ", through which the ranks find each other, can be read by others: ",
                       "its file system keeps no permissions; give another path"));
}

PublishedAddress::~PublishedAddress() {
    if (read_own(path_) == bytes_) ::unlink(path_.c_str());
}

std::optional<Address> read_address(const AddressFile& file) {
    for (const std::string& path : file.paths) {
        if (file.in_private_folder && !is_private(folder_of(path))) continue;
        const std::optional<std::string> bytes = read_own(path);
        if (!bytes) continue;
        try {
            PayloadReader reader(*bytes);
            if (reader.text() != magic || reader.text() != file.key) continue;
            Address address;
            address.meeting = reader.text();
            address.secret = reader.text();
            return address;
        } catch (const ProtocolError&) {
            continue;
        }
    }
    return std::nullopt;
}

}  // namespace ailab::dist
