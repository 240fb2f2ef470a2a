#include "init.hpp"

#include <algorithm>
#include <cmath>

namespace ailab::vision {
namespace {

namespace nn = torch::nn;

template <class Kind>
void init_each(nn::Module& model, const Init& init) {
    for (const auto& module : model.modules(/*include_self=*/false)) {
        auto* layer = module->as<Kind>();
        if (!layer) continue;
        init(layer->weight);
        if (layer->bias.defined()) nn::init::zeros_(layer->bias);
    }
}

}  // namespace

void init_convolutions(nn::Module& model, const Init& init) {
    init_each<nn::Conv2d>(model, init);
}

void init_linears(nn::Module& model, const Init& init) {
    init_each<nn::Linear>(model, init);
}

void init_convolutions(nn::Module& model) {
    init_convolutions(model, [](Tensor& weight) {
        nn::init::kaiming_normal_(weight, 0, torch::kFanOut, torch::kReLU);
    });
}

void truncated_normal_(const Tensor& tensor, double std) {
    const at::NoGradGuard no_grad;
    constexpr double bound = 2;
    // The inverse of the distribution function, of a uniform number of its range. In float32 that
    // must not reach -1, whose inverse is infinite: PyTorch's own makes one weight of 2^24 -2.
    constexpr double below_one = 1 - 0x1p-24;
    const double range = std::min(std::erf(bound / (std * std::sqrt(2.0))), below_one);
    tensor.uniform_(-range, range).erfinv_().mul_(std * std::sqrt(2.0)).clamp_(-bound, bound);
}

}  // namespace ailab::vision
