#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "input_file.hpp"

namespace ailab {

static_assert(std::endian::native == std::endian::little, "the formats read here are too");

/// Goes through bytes in memory or in a part of a file, once. Reading past the end is an Error; no
/// memory is taken for bytes that are not there.
class ByteReader {
  public:
    /// `bytes` must outlive the reader.
    explicit ByteReader(std::string_view bytes) : buffer_(bytes), end_(bytes.size()) {}
    /// The part [begin, end) of a file that outlives the reader.
    ByteReader(const InputFile& file, uint64_t begin, uint64_t end)
        : file_(&file), begin_(begin), end_(end - begin) {}
    ByteReader(const ByteReader&) = delete;
    ByteReader& operator=(const ByteReader&) = delete;

    /// Counted from the beginning of the part.
    uint64_t position() const { return buffer_at_ + at_; }
    uint64_t left() const { return end_ - position(); }

    uint8_t byte() {
        if (at_ == buffer_.size()) fill();
        return uint8_t(buffer_[at_++]);
    }
    std::string take(uint64_t count);
    /// Up to the next \n, which is dropped.
    std::string line(size_t limit);
    void skip(uint64_t count);
    /// A little-endian number.
    template <class T>
    T number() {
        char raw[sizeof(T)];
        for (char& c : raw) c = char(byte());
        T value;
        std::memcpy(&value, raw, sizeof value);
        return value;
    }

  private:
    void fill();
    void require(uint64_t count) const;

    const InputFile* file_ = nullptr;
    std::string chunk_;
    std::string_view buffer_;
    size_t at_ = 0;
    uint64_t buffer_at_ = 0;
    uint64_t begin_ = 0;
    uint64_t end_;
};

}  // namespace ailab
