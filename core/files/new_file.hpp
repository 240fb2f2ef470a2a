#pragma once
#include <filesystem>
#include <string>

#include "durable_file.hpp"
#include "temporary_name.hpp"

namespace ailab {

/// A file that is removed unless it was moved to its place.
class NewFile {
  public:
    explicit NewFile(const std::string& path) : path_(temporary_name(path)) {}
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
