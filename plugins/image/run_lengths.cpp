#include "run_lengths.hpp"

#include <algorithm>

namespace ailab {

namespace {

/// Where the next pixel goes. What lies beyond the end of a row or of the image is dropped.
struct Pen {
    const size_t width;
    std::vector<uint8_t>& out;
    size_t x = 0;
    size_t y = 0;

    void put(uint8_t index) {
        if (x < width && y * width + x < out.size()) out[y * width + x] = index;
        ++x;
    }
};

}  // namespace

bool expand_run_lengths(std::span<const uint8_t> data, int bits, size_t width,
                        std::vector<uint8_t>& out) {
    enum Escape : uint8_t { end_of_line = 0, end_of_image = 1, move = 2 };
    const size_t height = out.size() / width;
    const auto half = [bits](uint8_t byte, size_t i) {
        return bits == 8 ? byte : uint8_t(i % 2 == 0 ? byte >> 4 : byte & 15);
    };
    Pen pen{width, out};
    size_t at = 0;
    while (at + 2 <= data.size() && pen.y < height) {
        const uint8_t count = data[at], value = data[at + 1];
        at += 2;
        if (count > 0) {
            for (size_t i = 0; i < count; ++i) pen.put(half(value, i));
        } else if (value == end_of_line) {
            pen.x = 0;
            ++pen.y;
        } else if (value == end_of_image) {
            return true;
        } else if (value == move) {
            if (at + 2 > data.size()) return false;
            pen.x += data[at];
            pen.y += data[at + 1];
            at += 2;
        } else {  // `value` pixels one by one, padded to 16 bits
            const size_t size = bits == 8 ? value : (size_t(value) + 1) / 2;
            const size_t have = std::min(size, data.size() - at);
            for (size_t i = 0; i < value && (bits == 8 ? i : i / 2) < have; ++i)
                pen.put(half(data[at + (bits == 8 ? i : i / 2)], i));
            if (have < size) return false;
            at += (size + 1) / 2 * 2;
        }
    }
    return pen.y >= height;
}

}  // namespace ailab
