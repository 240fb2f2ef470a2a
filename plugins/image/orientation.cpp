#include "orientation.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace ailab {

namespace {

/// Numbers of a TIFF structure; 0 where it has ended.
class Tiff {
  public:
    explicit Tiff(std::span<const uint8_t> bytes)
        : bytes_(bytes), big_endian_(!bytes.empty() && bytes[0] == 'M') {}

    uint32_t number(uint64_t offset, int size) const {
        if (offset + uint64_t(size) > bytes_.size()) return 0;
        uint32_t value = 0;
        for (int i = 0; i < size; ++i)
            value = value << 8 | bytes_[offset + uint64_t(big_endian_ ? i : size - 1 - i)];
        return value;
    }

  private:
    const std::span<const uint8_t> bytes_;
    const bool big_endian_;
};

/// The bytes of a number of a TIFF type; 0 unless an orientation may be of it. That should be
/// SHORT; some phones write LONG, which only in big-endian data does not begin as a SHORT would.
int size_of_integer(uint32_t type) {
    constexpr uint32_t unsigned_short = 3, unsigned_long = 4, signed_short = 8, signed_long = 9;
    if (type == unsigned_short || type == signed_short) return 2;
    return type == unsigned_long || type == signed_long ? 4 : 0;
}

/// How the stored image becomes the upright one: flipped along its own axes, then transposed.
struct Turn {
    bool flip_rows, flip_columns, transpose;
};

Turn turn_of(Orientation orientation) {
    switch (orientation) {
        case Orientation::upright:
            return {false, false, false};
        case Orientation::mirrored:
            return {false, true, false};
        case Orientation::half_turned:
            return {true, true, false};
        case Orientation::flipped:
            return {true, false, false};
        case Orientation::transposed:
            return {false, false, true};
        case Orientation::turned_right:
            return {true, false, true};
        case Orientation::transversed:
            return {true, true, true};
        case Orientation::turned_left:
            return {false, true, true};
    }
    return {false, false, false};
}

}  // namespace

std::optional<Orientation> exif_orientation(std::span<const uint8_t> exif) {
    constexpr std::array<uint8_t, 6> head = {'E', 'x', 'i', 'f', 0, 0};
    if (exif.size() >= head.size() && std::equal(head.begin(), head.end(), exif.begin()))
        exif = exif.subspan(head.size());
    const Tiff tiff(exif);
    constexpr uint32_t magic = 42, orientation_tag = 0x0112, entry_size = 12;
    if (tiff.number(2, 2) != magic) return std::nullopt;
    const uint64_t directory = tiff.number(4, 4);
    const uint32_t entries = tiff.number(directory, 2);
    std::optional<Orientation> found;
    for (uint32_t i = 0; i < entries; ++i) {
        const uint64_t entry = directory + 2 + uint64_t(i) * entry_size;
        if (tiff.number(entry, 2) != orientation_tag) continue;
        const uint32_t value = tiff.number(entry + 8, size_of_integer(tiff.number(entry + 2, 2)));
        if (value >= 1 && value <= 8) return Orientation(value);
        found = Orientation::upright;
    }
    return found;
}

Orientation xmp_orientation(std::string_view packet) {
    constexpr std::string_view name = "tiff:Orientation";
    for (size_t at = packet.find(name); at != packet.npos; at = packet.find(name, at)) {
        at += name.size();
        const std::string_view rest = packet.substr(at);
        const size_t before = rest.starts_with("=\"") ? 2 : rest.starts_with('>') ? 1 : 0;
        if (before == 0 || rest.size() <= before) continue;
        const char digit = rest[before];
        if (digit < '0' || digit > '9') continue;
        return digit >= '1' && digit <= '8' ? Orientation(digit - '0') : Orientation::upright;
    }
    return Orientation::upright;
}

Region to_stored(const Region& upright, Orientation orientation, int64_t stored_height,
                 int64_t stored_width) {
    const Turn turn = turn_of(orientation);
    Region stored = upright;
    if (turn.transpose) stored = {upright.left, upright.top, upright.width, upright.height};
    if (turn.flip_rows) stored.top = stored_height - stored.top - stored.height;
    if (turn.flip_columns) stored.left = stored_width - stored.left - stored.width;
    return stored;
}

at::Tensor turned_upright(const at::Tensor& stored, Orientation orientation) {
    if (orientation == Orientation::upright) return stored;
    const Turn turn = turn_of(orientation);
    at::Tensor result = stored;
    if (turn.flip_rows) result = result.flip(0);
    if (turn.flip_columns) result = result.flip(1);
    if (turn.transpose) result = result.transpose(0, 1);
    return result.contiguous();
}

}  // namespace ailab
