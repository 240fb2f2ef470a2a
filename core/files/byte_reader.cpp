#include "byte_reader.hpp"

#include <algorithm>

#include "ailab/error.hpp"

namespace ailab {

void ByteReader::require(uint64_t count) const {
    if (count > left())
        throw Error(concat("it is cut short: ", count, " byte(s) are needed at byte ", position(),
                           ", ", left(), " are there"));
}

void ByteReader::fill() {
    require(1);
    constexpr uint64_t chunk = 64 << 10;
    buffer_at_ += buffer_.size();
    at_ = 0;
    chunk_.resize(size_t(std::min(chunk, end_ - buffer_at_)));
    buffer_ = {};  // if the read fails, nothing of the old chunk is left to be read
    file_->read(chunk_.data(), chunk_.size(), begin_ + buffer_at_);
    buffer_ = chunk_;
}

std::string ByteReader::take(uint64_t count) {
    require(count);
    std::string bytes;
    bytes.reserve(size_t(count));
    while (bytes.size() < count) {
        if (at_ == buffer_.size()) fill();
        const size_t n = std::min(buffer_.size() - at_, size_t(count) - bytes.size());
        bytes.append(buffer_.substr(at_, n));
        at_ += n;
    }
    return bytes;
}

std::string ByteReader::line(size_t limit) {
    std::string text;
    for (char c; (c = char(byte())) != '\n'; text += c)
        if (text.size() == limit)
            throw Error(concat("a name at byte ", position(), " is longer than ", limit, " bytes"));
    return text;
}

void ByteReader::skip(uint64_t count) {
    require(count);
    if (count <= buffer_.size() - at_) {
        at_ += size_t(count);
        return;
    }
    buffer_at_ = position() + count;
    buffer_ = {};
    at_ = 0;
}

}  // namespace ailab
