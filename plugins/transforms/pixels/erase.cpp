#include "erase.hpp"

#include <ATen/ATen.h>

namespace ailab::image {

void erase(Tensor& image, const Region& part, const Tensor& value) {
    image.narrow(1, part.top, part.height).narrow(2, part.left, part.width).copy_(value);
}

}  // namespace ailab::image
