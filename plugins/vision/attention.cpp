#include "attention.hpp"

namespace ailab::vision {

namespace nn = torch::nn;

SelfAttention::SelfAttention(int64_t width, int64_t heads, double dropout)
    : heads_(heads), dropout_(dropout) {
    in_weight_ = register_parameter("in_proj_weight", at::empty({3 * width, width}));
    in_bias_ = register_parameter("in_proj_bias", at::zeros({3 * width}));
    out_ = register_module("out_proj", nn::Linear(width, width));
    nn::init::xavier_uniform_(in_weight_);
    nn::init::zeros_(out_->bias);
}

Tensor SelfAttention::forward(const Tensor& x) {
    const int64_t tokens = x.size(1), width = x.size(2);
    // N stands nowhere, so that a traced graph serves any. [N, tokens, 3, heads, width of a head]
    // -> [3, N, heads, tokens, width of a head]
    const Tensor qkv = at::linear(x, in_weight_, in_bias_)
                           .view({-1, tokens, 3, heads_, width / heads_})
                           .permute({2, 0, 3, 1, 4});
    const Tensor y =
        at::scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], {}, is_training() ? dropout_ : 0);
    return out_(y.transpose(1, 2).flatten(2));
}

}  // namespace ailab::vision
