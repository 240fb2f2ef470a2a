#include "cache_file.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "ailab/error.hpp"
#include "ailab/log.hpp"
#include "ailab/support/regular_file.hpp"

namespace ailab {

namespace {

constexpr char magic[16] = "ailab images";
constexpr uint32_t version = 2;
/// Smaller images on average fill the table before the data.
constexpr uint64_t bytes_a_slot = 8192;
constexpr uint64_t fewest_slots = 1024;
constexpr uint64_t alignment = 64;

/// The end of the data, which changes while several processes write: a number of `alignment`s in 48
/// bits and their checksum in 16, so that one atomic word holds both.
constexpr int end_bits = 48;
constexpr uint64_t most_units = (uint64_t(1) << end_bits) - 1;

uint64_t guarded(uint64_t end) {
    const uint64_t units = end / alignment;
    const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(&units), sizeof units);
    return units | uint64_t(crc) << end_bits;
}

/// 0 where the checksum is not right.
uint64_t unguarded(uint64_t word) {
    const uint64_t end = (word & most_units) * alignment;
    return guarded(end) == word ? end : 0;
}

// The bytes of the file that stand for something to be locked.
constexpr off_t opening = 0;   // held while the file is opened
constexpr off_t using_it = 1;  // held, shared, by everybody who has it open

/// Locks of open files, not of the process: a data set for training and one for validation may use
/// the same file. False when another one holds it and `wait` is not wanted.
bool set_lock(int file, short type, off_t byte, bool wait) {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = byte;
    lock.l_len = 1;
    int result;
    do result = fcntl(file, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

bool is_on_network(int file) {
    constexpr uint32_t cifs = 0xFF534D42, smb2 = 0xFE534D42, lustre = 0x0BD00BD0, gpfs = 0x47504653;
    struct statfs status {};
    if (fstatfs(file, &status) != 0) return false;
    const auto type = uint32_t(status.f_type);
    return type == NFS_SUPER_MAGIC || type == cifs || type == smb2 || type == lustre ||
           type == gpfs;
}

std::string megabytes(uint64_t bytes) {
    return concat((bytes + (1 << 20) - 1) >> 20, " MB");
}

uint64_t size_of(int file) {
    struct stat status {};
    return fstat(file, &status) == 0 ? uint64_t(status.st_size) : 0;
}

}  // namespace

struct CacheFile::Header {
    char magic[16];
    uint32_t version;
    uint32_t checksum;  // of `slots`
    uint64_t slots;
    uint64_t end;  // of the data, guarded(): what is reserved next begins here. Atomic.
};

CacheFile::CacheFile(const std::string& path, int64_t bytes,
                     const std::function<void(CacheFile& file)>& repair)
    : path_(path), bytes_(uint64_t(bytes)) {
    path_.empty() ? open_unnamed() : open_named(repair);
}

void CacheFile::fail(const std::string& what, int code) const {
    throw Error(concat(path_.empty() ? "" : concat("cache_file ", path_, ": "), what,
                       code == 0 ? "" : concat(": ", std::strerror(code))));
}

void CacheFile::open_unnamed() {
    file_ = FileDescriptor(memfd_create("ailab-images", MFD_CLOEXEC));
    if (!file_) fail("there is no memory for the cache of images", errno);
    make_anew();
    map();
}

void CacheFile::open_named(const std::function<void(CacheFile& file)>& repair) {
    struct stat status {};
    const bool is_there = ::stat(path_.c_str(), &status) == 0;
    if (is_there && !S_ISREG(status.st_mode))
        fail(concat("is ", other_kind(status.st_mode), ", no regular file"), 0);
    file_ = FileDescriptor(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666));
    if (!file_) fail("cannot be opened", errno);
    if (is_on_network(file_.get()))
        fail(
            "lies on a network file system, where hosts do not see at once what others write; "
            "give a file on a local disk, or in /dev/shm",
            0);
    // Whoever opens the file does it alone, so that one rank makes it and the others find it made.
    if (!set_lock(file_.get(), F_WRLCK, opening, /*wait=*/true)) fail("cannot be locked", errno);
    const bool is_alone = set_lock(file_.get(), F_WRLCK, using_it, /*wait=*/false);
    prepare(is_alone);
    map();
    if (is_alone) repair(*this);
    if (!set_lock(file_.get(), F_RDLCK, using_it, /*wait=*/true)) fail("cannot be locked", errno);
    set_lock(file_.get(), F_UNLCK, opening, /*wait=*/true);
}

/// Makes sure that the file is a cache.
void CacheFile::prepare(bool is_alone) {
    const uint64_t size = size_of(file_.get());
    if (size == 0) return make_anew();
    Header found{};
    const ssize_t got = pread(file_.get(), &found, sizeof found, 0);
    if (got < 0) fail("cannot be read", errno);
    if (std::memcmp(found.magic, magic, sizeof magic) != 0)
        fail("is there already and is no cache of images; give another name, or remove it", 0);
    const bool valid =
        size_t(got) == sizeof found && size >= header_bytes && found.version == version &&
        found.checksum == uint32_t(crc32_z(0, reinterpret_cast<const Bytef*>(&found.slots),
                                           sizeof found.slots)) &&
        found.slots > 0 && found.slots <= (size - header_bytes) / slot_bytes &&
        unguarded(found.end) >= header_bytes + found.slots * slot_bytes;
    if (valid) {
        slots_ = found.slots;
        return;
    }
    if (!is_alone) fail("is damaged, or of another version, and another process uses it", 0);
    log_warning("cache_file ", path_, " is damaged, or of another version: it is made anew");
    if (ftruncate(file_.get(), 0) != 0) fail("cannot be cut", errno);
    make_anew();
}

void CacheFile::make_anew() {
    slots_ = std::max(fewest_slots, bytes_ / bytes_a_slot);
    Header made{};
    std::memcpy(made.magic, magic, sizeof magic);
    made.version = version;
    made.slots = slots_;
    made.checksum =
        uint32_t(crc32_z(0, reinterpret_cast<const Bytef*>(&made.slots), sizeof made.slots));
    const uint64_t end = header_bytes + slots_ * slot_bytes;
    made.end = guarded(end);
    // Blocks of a disk are taken now: a full one would be a SIGBUS later.
    if (!path_.empty())
        take_disk(end);
    else if (ftruncate(file_.get(), off_t(end)) != 0)
        fail("cannot be made", errno);
    if (pwrite(file_.get(), &made, sizeof made, 0) != ssize_t(sizeof made))
        fail("cannot be written", errno);
}

void CacheFile::take_disk(uint64_t bytes) {
    // Others write to the disk too: it is not filled to find out that it is too small.
    struct statfs disk {};
    const bool known = fstatfs(file_.get(), &disk) == 0;
    const uint64_t free = uint64_t(disk.f_bavail) * uint64_t(disk.f_bsize);
    const int error =
        known && bytes > free ? ENOSPC : posix_fallocate(file_.get(), 0, off_t(bytes));
    if (error == 0) return;
    const bool given_back = ftruncate(file_.get(), 0) == 0;
    if (error != ENOSPC || !known) fail("cannot be made", error);
    fail(concat("cannot be made: its table of images takes ", megabytes(bytes),
                ", and the disk has ", megabytes(free),
                " free; lower cache_gb, or name a file on a "
                "larger disk",
                given_back ? "" : ", and remove this one"),
         0);
}

void CacheFile::map() {
    if (!path_.empty()) watch_ = std::make_shared<FileWatch>(path_, FileWatch::May::grow);
    const uint64_t table_bytes = header_bytes + slots_ * slot_bytes;
    table_ = static_cast<uint8_t*>(map(table_bytes, MappedMemory::Access::write).data());
    // Of what lies behind the file's end nothing is touched before it is there.
    mapped_ = std::max(table_bytes + bytes_, unguarded(header().end));
    data_ = static_cast<const uint8_t*>(map(mapped_, MappedMemory::Access::read).data());
}

const MappedMemory& CacheFile::map(uint64_t bytes, MappedMemory::Access access) {
    try {
        if (watch_) return watch_->map(file_.get(), bytes, access);
        memory_.push_back(std::make_unique<const MappedMemory>(file_.get(), bytes, access));
        return *memory_.back();
    } catch (const Error& error) {
        fail(concat("cannot be mapped: ", error.what()), 0);
    }
}

CacheFile::Header& CacheFile::header() const {
    return *reinterpret_cast<Header*>(table_);
}

uint64_t CacheFile::reserve(uint64_t bytes) {
    bytes = (bytes + alignment - 1) / alignment * alignment;
    const uint64_t limit = header_bytes + slots_ * slot_bytes + bytes_;
    const std::atomic_ref<uint64_t> end(header().end);
    uint64_t word = end.load(), offset = 0;
    do {
        offset = unguarded(word);
        if (offset == 0 || offset > limit || bytes > limit - offset) return 0;
    } while (!end.compare_exchange_weak(word, guarded(offset + bytes)));
    return offset;
}

bool CacheFile::write(uint64_t offset, const void* data, size_t bytes) const {
    // Not through the mapping: a full disk is an error here, and a SIGBUS there.
    const auto* from = static_cast<const uint8_t*>(data);
    while (bytes > 0) {
        const ssize_t wrote = pwrite(file_.get(), from, bytes, off_t(offset));
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return false;
        from += wrote;
        offset += uint64_t(wrote);
        bytes -= size_t(wrote);
    }
    return true;
}

bool CacheFile::has(uint64_t offset, uint64_t bytes) const {
    const uint64_t begin = header_bytes + slots_ * slot_bytes;
    const uint64_t end = std::min(mapped_, size_of(file_.get()));
    return offset >= begin && offset <= end && bytes <= end - offset;
}

}  // namespace ailab
