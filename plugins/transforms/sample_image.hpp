#pragma once
// The image of a sample, and the mask that moves with it.
#include <functional>

#include "ailab/ailab.hpp"
#include "image/resize.hpp"

namespace ailab {

/// "image" or "input", whichever the sample has. Throws Error that lists the fields otherwise.
const char* image_field(const Sample& sample);

/// Without decoding.
image::Size image_size(const Sample& sample);

/// The image's pixels, decoded for good: see image/pixels.hpp. Throws Error for anything else.
Tensor& pixels_of(Sample& sample);
/// What `f` makes of the image's pixels.
void change_pixels(Sample& sample, const std::function<Tensor(const Tensor&)>& f);

/// Changes the pixels of the image by `move_image` and those of the field "mask", if there is one,
/// by `move_mask`, which is given [C, H, W] too. Throws Error when their sizes differ.
void move_pixels(Sample& sample, const std::function<Tensor(const Tensor&)>& move_image,
                 const std::function<Tensor(const Tensor&)>& move_mask);
/// The same for both.
void move_pixels(Sample& sample, const std::function<Tensor(const Tensor&)>& move);

/// Leaves a part of the image and of the mask. Of an image that is not decoded yet only this part
/// is.
void crop(Sample& sample, const Region& part);

/// "480 x 640": height and width, for messages.
std::string text_of(image::Size size);

}  // namespace ailab
