#include "durable_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <future>
#include <utility>
#include <vector>

#include "ailab/error.hpp"
#include "ailab/support/crc32c.hpp"
#include "host/pieces_written.hpp"
#include "input_file.hpp"
#include "log/result_stream.hpp"
#include "temporary_name.hpp"

namespace ailab {
namespace fs = std::filesystem;
namespace {

/// Small enough that the checksum and the write find the bytes in the cache.
constexpr size_t chunk_size = 1 << 20;

[[noreturn]] void fail_at(const std::string& doing, const std::string& path, int error) {
    throw Error(concat("cannot ", doing, " ", path, ": ", std::strerror(error)));
}

}  // namespace

DurableFile::DurableFile(const std::string& path)
    : path_(path),
      file_(above_standard_streams(
          open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666))) {
    if (!file_) fail("create", errno);
}

DurableFile::~DurableFile() {
    if (!file_) return;
    file_.reset();
    unlink(path_.c_str());
}

void DurableFile::write(const void* data, size_t size) {
    const auto* bytes = static_cast<const char*>(data);
    while (size > 0) {
        const ssize_t n = ::write(file_.get(), bytes, std::min(size, chunk_size));
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
    while (fsync(file_.get()) != 0)  // a network file system's may be interrupted by a signal
        if (errno != EINTR) fail("write", errno);
    if (close(file_.release()) != 0 && errno != EINTR) {  // interrupted, it is closed
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
    // Where no thread is to be had one comes after the other: no checkpoint is lost by that.
    constexpr auto at_once = std::launch::async | std::launch::deferred;
    std::vector<std::future<void>> tasks;
    for (DurableFile* file : files)
        tasks.push_back(std::async(at_once, [file] { file->finish(); }));
    for (const std::string& folder : folders)
        tasks.push_back(std::async(at_once, [&folder] { sync_folder(folder); }));
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
    const FileDescriptor folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder) fail_at("open the folder", path, errno);
    while (fsync(folder.get()) != 0) {
        // Some network file systems have no fsync of folders, and need none.
        if (errno == EINVAL || errno == ENOTSUP) return;
        if (errno != EINTR) fail_at("sync the folder", path, errno);
    }
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
    const InputFile file(path);
    FileDigest digest;
    std::vector<char> chunk(chunk_size);
    while (digest.size < file.size()) {
        const uint64_t count = std::min<uint64_t>(chunk.size(), file.size() - digest.size);
        file.read(chunk.data(), count, digest.size);
        digest.crc32c = crc32c(chunk.data(), size_t(count), digest.crc32c);
        digest.size += count;
    }
    return digest;
}

}  // namespace ailab
