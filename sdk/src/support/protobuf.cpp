#include "ailab/support/protobuf.hpp"

#include <bit>

namespace ailab::wire {
namespace {

// Wire types.
constexpr int varint = 0;
constexpr int fixed64 = 1;
constexpr int length_delimited = 2;
constexpr int fixed32 = 5;

void append_varint(std::string& out, uint64_t value) {
    for (; value >= 0x80; value >>= 7) out += char(value | 0x80);
    out += char(value);
}

void append_tag(std::string& out, int field, int wire_type) {
    append_varint(out, uint64_t(field) << 3 | uint64_t(wire_type));
}

template <class Integer>
void append_little_endian(std::string& out, Integer value) {
    for (size_t i = 0; i < sizeof value; ++i) out += char(value >> (8 * i));
}

}  // namespace

Message& Message::add(int field, double value) {
    append_tag(bytes_, field, fixed64);
    append_u64(bytes_, std::bit_cast<uint64_t>(value));
    return *this;
}

Message& Message::add(int field, float value) {
    append_tag(bytes_, field, fixed32);
    append_u32(bytes_, std::bit_cast<uint32_t>(value));
    return *this;
}

Message& Message::add_varint(int field, uint64_t value) {
    append_tag(bytes_, field, varint);
    append_varint(bytes_, value);
    return *this;
}

Message& Message::add(int field, std::string_view bytes) {
    append_tag(bytes_, field, length_delimited);
    append_varint(bytes_, bytes.size());
    bytes_ += bytes;
    return *this;
}

Message& Message::add(int field, const Message& message) {
    return add(field, std::string_view(message.bytes_));
}

Message& Message::packed(int field, std::span<const double> values) {
    append_tag(bytes_, field, length_delimited);
    append_varint(bytes_, values.size_bytes());
    for (const double value : values) append_u64(bytes_, std::bit_cast<uint64_t>(value));
    return *this;
}

Message& Message::packed(int field, std::span<const float> values) {
    append_tag(bytes_, field, length_delimited);
    append_varint(bytes_, values.size_bytes());
    for (const float value : values) append_u32(bytes_, std::bit_cast<uint32_t>(value));
    return *this;
}

Message& Message::packed(int field, std::span<const int64_t> values) {
    std::string content;
    for (const int64_t value : values) append_varint(content, uint64_t(value));
    return add(field, std::string_view(content));
}

void append_u16(std::string& out, uint16_t value) {
    append_little_endian(out, value);
}

void append_u32(std::string& out, uint32_t value) {
    append_little_endian(out, value);
}

void append_u64(std::string& out, uint64_t value) {
    append_little_endian(out, value);
}

}  // namespace ailab::wire
