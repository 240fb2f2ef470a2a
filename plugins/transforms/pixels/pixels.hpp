#pragma once
// Pixels of images. The functions of this folder take [C, H, W] with any strides, uint8 (0 … 255)
// or float32 (0 … 1), of 1 or 3 channels, and return it with the memory order H, W, C, perhaps
// sharing the argument's memory. They draw nothing and are thread-safe. They follow torchvision
// 0.26 (torchvision.transforms.v2.functional on tensors): where that rounds, they round alike.
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace ailab::image {

using at::Tensor;

/// Throws Error unless this is an image as described above.
void check_image(const Tensor& image);
/// The same, and throws unless it is uint8. `who` begins the message.
void check_bytes(const Tensor& image, const char* who);

/// [H, W, C], contiguous; shares the image's memory when that is in this order.
Tensor rows_of(const Tensor& image);
/// The way back: [C, H, W] in the same memory.
Tensor image_of_rows(const Tensor& rows);
/// Not initialised.
Tensor new_image(int64_t channels, int64_t height, int64_t width, at::ScalarType dtype);
/// An image like this one, not initialised.
Tensor new_image_like(const Tensor& image);

/// What each byte becomes.
using ByteTable = std::array<uint8_t, 256>;
/// With one table, or one a channel. uint8 only.
Tensor map_bytes(const Tensor& image, std::span<const ByteTable> tables);

/// Pixels outside of the image: one value, one a channel, or none (0).
using Fill = std::vector<double>;
/// One value a channel. Throws Error when their number or, for uint8, size does not fit.
std::vector<double> fill_of(const Fill& fill, const Tensor& image);

/// What white is.
template <class T>
inline constexpr float bound = 1;
template <>
inline constexpr float bound<uint8_t> = 255;

/// Calls f(uint8_t()) or f(float()), whichever the image's pixels are.
template <class F>
auto by_type(const Tensor& image, const F& f) {
    return image.scalar_type() == at::kByte ? f(uint8_t()) : f(float());
}

}  // namespace ailab::image
