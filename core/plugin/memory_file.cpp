#include "plugin/memory_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "ailab/error.hpp"

namespace ailab::plugin {
namespace {

constexpr size_t longest_name = 200;  // the system takes 249 bytes

/// Whether all bytes were written; errno says why not.
bool write_all(int descriptor, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        bytes.remove_prefix(size_t(written));
    }
    return true;
}

}  // namespace

MemoryFile::MemoryFile(const std::string& name, std::string_view bytes)
    : descriptor_(
          memfd_create(name.substr(0, longest_name).c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING)) {
    const bool made = descriptor_ >= 0 && write_all(descriptor_, bytes) &&
                      ::fchmod(descriptor_, S_IRUSR | S_IXUSR) == 0 &&
                      ::fcntl(descriptor_, F_ADD_SEALS,
                              F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
    if (made) return;
    const int error = errno;
    if (descriptor_ >= 0) ::close(descriptor_);
    throw Error(concat("cannot keep ", name, " in memory: ", std::strerror(error)));
}

MemoryFile::~MemoryFile() {
    ::close(descriptor_);
}

std::string MemoryFile::path() const {
    return concat("/proc/self/fd/", descriptor_);
}

}  // namespace ailab::plugin
