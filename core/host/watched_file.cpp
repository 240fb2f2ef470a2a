#include "ailab/support/watched_file.hpp"

#include <sys/mman.h>

#include "ailab/error.hpp"
#include "ailab/support/regular_file.hpp"
#include "file_watch.hpp"

namespace ailab {

WatchedFile::WatchedFile(const std::string& path) : watch_(std::make_shared<FileWatch>(path)) {}
WatchedFile::~WatchedFile() = default;

const std::string& WatchedFile::path() const {
    return watch_->path();
}
void WatchedFile::use() const {
    watch_->use();
}
void WatchedFile::check() const {
    watch_->check();
}

MappedFile::MappedFile(const std::string& path, Order order)
    : watch_(std::make_shared<FileWatch>(path)) {
    const auto refuse = [&](const std::string& why) {
        throw ConfigError(concat(path, " cannot be read: ", why));
    };
    const RegularFile file(path);
    if (!file.problem().empty()) refuse(file.problem());
    if (file.size() == 0) return;
    const MappedMemory* memory = nullptr;
    try {
        memory = &watch_->map(file.descriptor(), size_t(file.size()), MappedMemory::Access::read);
    } catch (const Error& error) {
        refuse(error.what());
    }
    if (order == Order::random) ::madvise(memory->data(), memory->size(), MADV_RANDOM);
    text_ = {static_cast<const char*>(memory->data()), memory->size()};
}

MappedFile::~MappedFile() = default;

const std::string& MappedFile::path() const {
    return watch_->path();
}
void MappedFile::use() const {
    watch_->use();
}
void MappedFile::check() const {
    watch_->check();
}

}  // namespace ailab
