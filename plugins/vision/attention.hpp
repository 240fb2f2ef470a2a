#pragma once
#include "blocks.hpp"

namespace ailab::vision {

/// Self-attention with several heads (https://arxiv.org/abs/1706.03762), with the names and first
/// weights of PyTorch's MultiheadAttention. The attention itself is never stored where ATen has a
/// kernel without it.
class SelfAttention final : public Layer {
  public:
    SelfAttention(int64_t width, int64_t heads, double dropout);
    /// [N, tokens, width] -> the same.
    Tensor forward(const Tensor& x) override;

  private:
    int64_t heads_;
    double dropout_;
    Tensor in_weight_, in_bias_;
    torch::nn::Linear out_{nullptr};
};

}  // namespace ailab::vision
