#pragma once
// Initial weights. For use in a model's constructor.
#include <functional>

#include "ailab/ailab.hpp"

namespace ailab::vision {

/// Convolutions as for ReLU networks (https://arxiv.org/abs/1502.01852): normal, of the variance
/// 2 / (outputs that an input reaches); biases 0.
void init_convolutions(torch::nn::Module& model);

/// Each convolution's or linear layer's weights by `init`, its bias 0.
using Init = std::function<void(Tensor& weight)>;
void init_convolutions(torch::nn::Module& model, const Init& init);
void init_linears(torch::nn::Module& model, const Init& init);

/// Normal with the standard deviation `std`, nothing outside [-2, 2].
void truncated_normal_(const Tensor& tensor, double std);

}  // namespace ailab::vision
