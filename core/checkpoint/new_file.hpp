#pragma once
#include <unistd.h>

#include <filesystem>
#include <string>

#include "ailab/error.hpp"
#include "durable_file.hpp"

namespace ailab {

/// A file that is removed unless it was moved to its place.
class NewFile {
  public:
    explicit NewFile(const std::string& path) : path_(concat(path, ".tmp-", int64_t(getpid()))) {
        std::filesystem::remove(path_);
    }
    ~NewFile() {
        std::error_code ignored;
        std::filesystem::remove(path_, ignored);
    }
    NewFile(const NewFile&) = delete;
    NewFile& operator=(const NewFile&) = delete;

    const std::string& path() const { return path_; }
    void move_to(const std::string& place) const {
        rename_file(path_, place);
        sync_folder(parent_folder(place));
    }

  private:
    const std::string path_;
};

}  // namespace ailab
