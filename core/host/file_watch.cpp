#include "file_watch.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <utility>

#include "ailab/error.hpp"

namespace ailab {

namespace {

/// A look costs about a microsecond where the file is local.
constexpr size_t looked_at_in_turn = 2;

thread_local FileUses* uses_here = nullptr;

/// All that live, to be looked at in turn.
class Watches {
  public:
    void add(FileWatch& watch) {
        const std::lock_guard lock(mutex_);
        all_.push_back(&watch);
    }
    void remove(FileWatch& watch) {
        const std::lock_guard lock(mutex_);
        const auto found = std::find(all_.rbegin(), all_.rend(), &watch);
        *found = all_.back();
        all_.pop_back();
    }
    void check_some() {
        // Locked throughout: none of them goes meanwhile.
        const std::lock_guard lock(mutex_);
        for (size_t i = std::min(looked_at_in_turn, all_.size()); i > 0; --i) {
            next_ = next_ + 1 < all_.size() ? next_ + 1 : 0;
            all_[next_]->check();
        }
    }

  private:
    std::mutex mutex_;
    std::vector<FileWatch*> all_;
    size_t next_ = 0;
};

Watches& watches() {
    // Never destroyed: datasets may go after it would.
    static auto& watches = *new Watches;
    return watches;
}

}  // namespace

FileWatch::FileWatch(const std::string& path, May may)
    : path_(path), absolute_path_(std::filesystem::absolute(path).string()), may_(may) {
    struct stat now {};
    if (::stat(absolute_path_.c_str(), &now) != 0)
        throw ConfigError(concat(path, " cannot be read: ", std::strerror(errno)));
    inode_ = now.st_ino;
    size_ = now.st_size;
    changed_ = now.st_mtim;
    watches().add(*this);
}

FileWatch::~FileWatch() {
    watches().remove(*this);
}

const MappedMemory& FileWatch::map(int file, size_t bytes, MappedMemory::Access access) {
    auto memory = std::make_unique<MappedMemory>(file, bytes, access);
    const std::lock_guard lock(mutex_);
    return *memory_.emplace_back(std::move(memory));
}

void FileWatch::use() {
    if (!uses_here) return;
    auto& files = uses_here->files_;
    if (!files.empty() && files.back().get() == this) return;
    const auto found = std::find_if(files.begin(), files.end(),
                                    [this](const auto& file) { return file.get() == this; });
    if (found != files.end())
        std::swap(*found, files.back());
    else
        files.push_back(shared_from_this());
}

/// What it is instead of what it was; "" for nothing.
std::string FileWatch::difference() {
    {
        const std::lock_guard lock(mutex_);
        for (const auto& memory : memory_)
            if (memory->faulted()) return "a part of it can no longer be read";
    }
    struct stat now {};
    if (::stat(absolute_path_.c_str(), &now) != 0) {
        // Anything else may be the network's, and tells nothing of the file.
        const bool is_gone = errno == ENOENT || errno == ENOTDIR || errno == ESTALE;
        return is_gone ? "it is gone" : "";
    }
    if (now.st_ino != inode_) return "another file has taken its place";
    const off_t size = size_.load();
    if (may_ == May::grow && now.st_size >= size) {
        size_ = now.st_size;
        return "";
    }
    if (now.st_size != size) return concat("it had ", size, " bytes and has ", now.st_size);
    const bool is_unwritten =
        now.st_mtim.tv_sec == changed_.tv_sec && now.st_mtim.tv_nsec == changed_.tv_nsec;
    return is_unwritten || may_ == May::grow ? "" : "it was written to";
}

void FileWatch::check() {
    const std::string what = difference();
    if (what.empty()) return;
    throw Error(concat(path_, " was changed under the run: ", what,
                       ". A run uses its files to the end: leave them as they are, and give new "
                       "ones other names"));
}

FileUses::FileUses() {
    uses_here = this;
}

FileUses::~FileUses() {
    uses_here = nullptr;
}

void FileUses::check() {
    for (const auto& file : files_) file->check();
    files_.clear();
    watches().check_some();
}

}  // namespace ailab
