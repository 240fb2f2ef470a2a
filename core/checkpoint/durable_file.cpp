#include "durable_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <future>
#include <utility>
#include <vector>

#include "ailab/crc32c.hpp"
#include "ailab/error.hpp"
#include "host/pieces_written.hpp"
#include "temporary_name.hpp"

namespace ailab {
namespace fs = std::filesystem;
namespace {

/// Small enough that the checksum and the write find the bytes in the cache.
constexpr size_t chunk_size = 1 << 20;

[[noreturn]] void fail_at(const std::string& doing, const std::string& path, int error) {
    throw Error(concat("cannot ", doing, " ", path, ": ", std::strerror(error)));
}

class Descriptor {
  public:
    explicit Descriptor(int file) : file_(file) {}
    ~Descriptor() {
        if (file_ >= 0) close(file_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return file_; }

  private:
    int file_;
};

}  // namespace

DurableFile::DurableFile(const std::string& path)
    : path_(path), file_(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)) {
    if (file_ < 0) fail("create", errno);
}

DurableFile::~DurableFile() {
    if (file_ < 0) return;
    close(file_);
    unlink(path_.c_str());
}

void DurableFile::write(const void* data, size_t size) {
    const auto* bytes = static_cast<const char*>(data);
    while (size > 0) {
        const ssize_t n = ::write(file_, bytes, std::min(size, chunk_size));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) fail("write", n < 0 ? errno : ENOSPC);
        digest_.crc32c = crc32c(bytes, size_t(n), digest_.crc32c);
        digest_.size += uint64_t(n);
        pieces_written().fetch_add(1, std::memory_order_relaxed);
        bytes += n;
        size -= size_t(n);
    }
}

FileDigest DurableFile::finish() {
    if (fsync(file_) != 0) fail("write", errno);
    if (close(std::exchange(file_, -1)) != 0) {
        const int error = errno;
        unlink(path_.c_str());
        fail("close", error);
    }
    return digest_;
}

void DurableFile::fail(const char* what, int error) const {
    fail_at(what, path_, error);
}

void finish_together(const std::vector<DurableFile*>& files,
                     const std::vector<std::string>& folders) {
    std::vector<std::future<void>> tasks;
    for (DurableFile* file : files)
        tasks.push_back(std::async(std::launch::async, [file] { file->finish(); }));
    for (const std::string& folder : folders)
        tasks.push_back(std::async(std::launch::async, [&folder] { sync_folder(folder); }));
    std::exception_ptr first;
    for (std::future<void>& task : tasks) {
        try {
            task.get();
        } catch (...) {
            if (!first) first = std::current_exception();
        }
    }
    if (first) std::rethrow_exception(first);
}

void sync_folder(const std::string& path) {
    const Descriptor folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.get() < 0) fail_at("open the folder", path, errno);
    // Some network file systems have no fsync of folders, and need none.
    if (fsync(folder.get()) != 0 && errno != EINVAL && errno != ENOTSUP)
        fail_at("sync the folder", path, errno);
}

void replace_text_file(const std::string& path, const std::string& text) {
    const std::string fresh = temporary_name(path);
    DurableFile file(fresh);
    file.write(text);
    file.finish();
    rename_file(fresh, path);
    sync_folder(parent_folder(path));
}

std::string parent_folder(const std::string& path) {
    const fs::path parent = fs::path(path).lexically_normal().parent_path();
    return parent.empty() ? "." : parent.string();
}

void rename_file(const std::string& from, const std::string& to) {
    if (rename(from.c_str(), to.c_str()) != 0) fail_at("replace", to, errno);
}

std::string replace_folder(const std::string& from, const std::string& to) {
    if (rename(from.c_str(), to.c_str()) == 0) return "";
    if (errno != ENOTEMPTY && errno != EEXIST) fail_at("rename to", to, errno);
    if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) return from;
    if (errno != EINVAL && errno != ENOSYS) fail_at("rename to", to, errno);
    const std::string old = set_aside_name(from);
    if (rename(to.c_str(), old.c_str()) != 0) fail_at("rename", to, errno);
    if (rename(from.c_str(), to.c_str()) == 0) return old;
    const int error = errno;
    rename(old.c_str(), to.c_str());
    fail_at("rename to", to, error);
}

FileDigest digest_file(const std::string& path) {
    const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) fail_at("open", path, errno);
    FileDigest digest;
    std::vector<char> chunk(chunk_size);
    for (;;) {
        const ssize_t n = read(file.get(), chunk.data(), chunk.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) fail_at("read", path, errno);
        if (n == 0) return digest;
        digest.crc32c = crc32c(chunk.data(), size_t(n), digest.crc32c);
        digest.size += uint64_t(n);
    }
}

std::string read_file(const std::string& path, uint64_t limit) {
    const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) fail_at("open", path, errno);
    struct stat info {};
    if (fstat(file.get(), &info) != 0) fail_at("read", path, errno);
    if (uint64_t(info.st_size) > limit)
        throw Error(
            concat(path, " has ", info.st_size, " bytes; at most ", limit, " are expected"));
    std::string text(size_t(info.st_size), '\0');
    for (size_t done = 0; done < text.size();) {
        const ssize_t n = read(file.get(), text.data() + done, text.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) fail_at("read", path, errno);
        if (n == 0) throw Error(concat(path, " became shorter while it was read"));
        done += size_t(n);
    }
    return text;
}

}  // namespace ailab
