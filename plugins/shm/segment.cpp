#include "segment.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

#include "ailab/error.hpp"

namespace ailab::shm {
namespace {

std::string system_text(int number) {
    return std::strerror(number);
}

/// Names the process, and the space in which its number holds: what a killed one has left is
/// removed by a later run (core/work_dir/leftovers.cpp).
std::string fresh_name() {
    static std::atomic<int> count{0};
    struct stat space {};
    ::stat("/proc/self/ns/pid", &space);
    return concat("/ailab-shm-", uint64_t(space.st_ino), "-", getpid(), "-", count++, "-",
                  std::random_device()());
}

}  // namespace

SharedSegment SharedSegment::create(size_t bytes) {
    const std::string name = fresh_name();
    const int file = shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) throw Error(concat("cannot create shared memory: ", system_text(errno)));
    SharedSegment segment(name, file, bytes, true);
    if (ftruncate(file, off_t(bytes)) != 0)
        throw Error(concat("cannot size shared memory: ", system_text(errno)));
    return segment;
}

SharedSegment SharedSegment::open(const std::string& name, size_t bytes) {
    const int file = shm_open(name.c_str(), O_RDWR | O_CLOEXEC, 0600);
    if (file < 0)
        throw Error(concat("cannot open shared memory ", name, ": ", system_text(errno),
                           " (do all ranks share one /dev/shm?)"));
    return SharedSegment(name, file, bytes, false);
}

SharedSegment::SharedSegment(std::string name, int file, size_t bytes, bool owns_name)
    : name_(std::move(name)), file_(file), size_(bytes), owns_name_(owns_name) {
    void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) {
        const int number = errno;
        unlink();
        throw Error(concat("cannot map shared memory: ", system_text(number)));
    }
    data_ = static_cast<char*>(mapped);
}

SharedSegment::SharedSegment(SharedSegment&& other) noexcept
    : name_(std::move(other.name_)),
      file_(std::move(other.file_)),
      size_(other.size_),
      data_(std::exchange(other.data_, nullptr)),
      owns_name_(std::exchange(other.owns_name_, false)) {}

SharedSegment::~SharedSegment() {
    if (!data_) return;
    unlink();
    munmap(data_, size_);
}

void SharedSegment::reserve(size_t offset, size_t bytes) {
    int status = EINTR;
    while (status == EINTR) status = posix_fallocate(file_.get(), off_t(offset), off_t(bytes));
    if (status != 0)
        throw Error(concat("cannot reserve ", (bytes + (1 << 20) - 1) >> 20,
                           " MB of shared memory: ", system_text(status), "; /dev/shm has ",
                           free_shared_memory() >> 20, " MB free"));
}

void SharedSegment::unlink() noexcept {
    if (std::exchange(owns_name_, false)) shm_unlink(name_.c_str());
}

void SharedSegment::hold(int rank) {
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = rank;
    lock.l_len = 1;
    if (fcntl(file_.get(), F_SETLK, &lock) != 0)
        throw Error(concat("cannot lock shared memory: ", system_text(errno)));
}

bool SharedSegment::held_by_other(int rank) const {
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = rank;
    lock.l_len = 1;
    // A query that fails tells nothing about the other rank: it counts as alive.
    if (fcntl(file_.get(), F_GETLK, &lock) != 0) return true;
    return lock.l_type != F_UNLCK;
}

long long free_shared_memory() {
    struct statvfs info = {};
    if (statvfs("/dev/shm", &info) != 0) return -1;
    return static_cast<long long>(info.f_bavail) * static_cast<long long>(info.f_frsize);
}

}  // namespace ailab::shm
