#pragma once
#include "ailab/image.hpp"
#include "pixels.hpp"

namespace ailab::image {

// Each sample of a batch with the one before it; `before` [1, ...] is the one before the first. In
// place, float32. Batches lie sample by sample in memory.

/// share * sample + (1 - share) * the one before.
void mix_with_previous(Tensor& batch, const Tensor& before, double share);

/// The part of [N, C, H, W] is the one before's.
void paste_from_previous(Tensor& batch, const Tensor& before, const Region& part);

}  // namespace ailab::image
