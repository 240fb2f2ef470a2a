#pragma once
// The orientation of a photograph by its EXIF data (CIPA DC-008, tag 0x0112), or its XMP packet.
#include <ATen/core/Tensor.h>

#include <optional>
#include <span>
#include <string_view>

#include "ailab/image.hpp"

namespace ailab {

/// What must be done to the stored image; the numbers are EXIF's.
enum class Orientation {
    upright = 1,
    mirrored = 2,
    half_turned = 3,
    flipped = 4,
    transposed = 5,
    turned_right = 6,  // show it turned clockwise
    transversed = 7,
    turned_left = 8,
};

inline bool is_transposed(Orientation orientation) {
    return orientation >= Orientation::transposed;
}

/// Of EXIF data, which begin with "Exif\0\0" or with the TIFF header. Nothing when they have none;
/// one that is nonsense is upright.
std::optional<Orientation> exif_orientation(std::span<const uint8_t> exif);

/// Of an XMP packet, for a file whose EXIF data have none: where Pillow finds it, an attribute
/// tiff:Orientation="6" or an element <tiff:Orientation>6. Upright without one.
Orientation xmp_orientation(std::string_view packet);

/// Where a region of the upright image lies in the stored one of this size.
Region to_stored(const Region& upright, Orientation orientation, int64_t stored_height,
                 int64_t stored_width);

/// [H, W, C] of the stored image to the same of the upright one, contiguous.
at::Tensor turned_upright(const at::Tensor& stored, Orientation orientation);

}  // namespace ailab
