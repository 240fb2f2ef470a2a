#include "memory_format.hpp"

#include <ATen/ATen.h>

namespace ailab {

at::Tensor to_channels_last(const at::Tensor& tensor) {
    const int64_t c = tensor.size(1), h = tensor.size(2), w = tensor.size(3);
    const at::Tensor packed = tensor.contiguous(at::MemoryFormat::ChannelsLast);
    const std::vector<int64_t> strides = {h * w * c, 1, w * c, c};
    if (packed.strides() == at::IntArrayRef(strides)) return packed;
    // Sizes of 1 make several strides mean the same memory; oneDNN looks at the numbers.
    return packed.as_strided(packed.sizes(), strides);
}

}  // namespace ailab
