#pragma once
// The image of a sample, and how all that lies on it moves.
#include <functional>

#include "ailab/ailab.hpp"
#include "pixels/pad.hpp"
#include "pixels/resize.hpp"

namespace ailab {

/// The image's pixels, decoded for good: see image/pixels.hpp. Throws Error for anything else.
Tensor& pixels_of(Sample& sample);
/// What `f` makes of the image's pixels.
void change_pixels(Sample& sample, const std::function<Tensor(const Tensor&)>& f);

/// `on_image` is given what check_image() accepts.
Movement movement(const Geometry& geometry, Movement::OnPixels on_image,
                  Movement::OnPixels on_mask);
/// Pixels around the image; see image::pad().
Movement padded_by(image::Size size, const image::Padding& padding, const image::Fill& fill,
                   const image::Fill& mask_fill,
                   image::PaddingMode mode = image::PaddingMode::constant);
/// Leaves a part. Of an image that is not decoded yet only this part is.
Movement crop(image::Size size, const Region& part);

}  // namespace ailab
