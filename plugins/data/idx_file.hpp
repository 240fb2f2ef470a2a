#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ailab/support/watched_file.hpp"

namespace ailab {

/// The bytes of an IDX file of unsigned bytes (LeCun's format of MNIST), plain or gzip. A plain
/// file is mapped: only what is used is read. A gzip file is inflated into memory.
class IdxFile {
  public:
    /// Reads the header and checks it against the file's size. `dimensions`: 3 for images, 1 for
    /// labels. At most `limit` items are made available (all if negative). Throws Error that names
    /// the file, what is there and what was expected. The checksum of a gzip file is that of all
    /// its items: with a limit below their number its length alone is checked.
    IdxFile(const std::string& path, int dimensions, int64_t limit = -1);

    const std::string& path() const { return path_; }
    /// Items the header tells of.
    int64_t count() const { return shape_[0]; }
    /// Items that can be asked for.
    int64_t available() const { return available_; }
    const std::vector<int64_t>& shape() const { return shape_; }
    int64_t item_size() const { return item_size_; }
    const uint8_t* item(int64_t index) const { return data_ + index * item_size_; }
    /// To be called where a sample reads items: the file is watched while it is mapped.
    void use() const;

  private:
    void read_plain(std::span<const uint8_t> bytes, int dimensions, int64_t limit);
    void read_gzip(std::span<const uint8_t> packed, int dimensions, int64_t limit);
    void parse_header(std::span<const uint8_t> bytes, int dimensions, int64_t limit);

    std::string path_;
    std::vector<int64_t> shape_;
    int64_t item_size_ = 1;
    int64_t available_ = 0;
    const uint8_t* data_ = nullptr;
    std::shared_ptr<const MappedFile> mapping_;
    std::shared_ptr<const uint8_t> inflated_;
};

/// `path` if it exists, else `path`.gz if that does.
std::optional<std::string> plain_or_gzip(const std::string& path);

}  // namespace ailab
