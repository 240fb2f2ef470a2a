#pragma once
// The decoders of the plugin, as a dataset meets them.
#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "ailab/image.hpp"

namespace ailab::test {

/// The registered decoder of a format.
const ImageDecoder& decoder(const std::string& format);
/// The format that recognises the file, or "".
std::string format_of(const std::string& file);

/// By the decoder that recognises the file, which is copied. Its name in messages is "the file".
ImagePtr open(const std::string& file, const DecodeOptions& options = {});
ImagePtr open(const std::string& file, ImageMode mode);

struct Tolerated {
    at::Tensor pixels;  // undefined: BrokenSample
    std::vector<std::string> damage;
    std::string error;
};
/// With tolerate_truncation, and what the loader was told.
Tolerated decode_tolerantly(const std::string& file, ImageMode mode = ImageMode::rgb);

/// [C, H, W] numbers as text, a row of pixels a line, for small images.
std::string text_of(const at::Tensor& pixels);

/// Whether shape, dtype and every number are the same.
bool same(const at::Tensor& a, const at::Tensor& b);
at::Tensor cut(const at::Tensor& pixels, const Region& region);

/// `count` random ones.
std::vector<Region> regions_of(const Image& image, size_t count, uint64_t seed);

}  // namespace ailab::test
