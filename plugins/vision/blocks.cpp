#include "blocks.hpp"
#include "options/limits.hpp"

namespace ailab::vision {

namespace nn = torch::nn;

void ClassifierOptions::visit(OptionVisitor& v) {
    v.option("num_classes", num_classes, "number of classes", size_from(1));
    v.option("in_channels", in_channels, "channels of the images", size_from(1));
}

void Chain::add(std::shared_ptr<Layer> layer) {
    layers_.push_back(register_module(std::to_string(layers_.size()), std::move(layer)));
}

Tensor Chain::forward(const Tensor& x) {
    Tensor y = x;
    for (const auto& layer : layers_) y = layer->forward(y);
    return y;
}

std::shared_ptr<nn::Module> name_group(nn::Module& parent, const std::string& name) {
    return parent.register_module(name, std::make_shared<nn::Module>());
}

Tensor activate(Tensor x, Activation activation) {
    // The gradient of ReLU needs its result alone. Of the others autograd keeps the input, and
    // would copy it first if they worked in place.
    const bool in_place = !(at::GradMode::is_enabled() && x.requires_grad());
    switch (activation) {
        case Activation::none:
            return x;
        case Activation::relu:
            return x.relu_();
        case Activation::relu6:
            return in_place ? at::relu6_(x) : at::relu6(x);
        case Activation::hardswish:
            return in_place ? at::hardswish_(x) : at::hardswish(x);
        case Activation::silu:
            return in_place ? at::silu_(x) : at::silu(x);
    }
    throw Error("no such activation");
}

ConvNorm::ConvNorm(const ConvNormOptions& options) : activation_(options.activation) {
    conv_ =
        register_module("0", nn::Conv2d(nn::Conv2dOptions(options.in, options.out, options.kernel)
                                            .stride(options.stride)
                                            .padding((options.kernel - 1) / 2)
                                            .groups(options.groups)
                                            .bias(false)));
    norm_ = register_module(
        "1", nn::BatchNorm2d(
                 nn::BatchNorm2dOptions(options.out).eps(options.eps).momentum(options.momentum)));
}

Tensor ConvNorm::forward(const Tensor& x) {
    return activate(norm_(conv_(x)), activation_);
}

SqueezeExcitation::SqueezeExcitation(int64_t channels, int64_t squeezed, Activation activation,
                                     Gate gate)
    : activation_(activation), gate_(gate) {
    fc1_ = register_module("fc1", nn::Conv2d(nn::Conv2dOptions(channels, squeezed, 1)));
    fc2_ = register_module("fc2", nn::Conv2d(nn::Conv2dOptions(squeezed, channels, 1)));
}

Tensor SqueezeExcitation::forward(const Tensor& x) {
    Tensor scale = fc2_(activate(fc1_(at::adaptive_avg_pool2d(x, {1, 1})), activation_));
    // As in activate(): the gradient of sigmoid needs its result alone, the other's its input.
    scale = gate_ == Gate::sigmoid ? scale.sigmoid_() : at::hardsigmoid(scale);
    return x * scale;
}

Tensor depth_factors(const Tensor& x, double drop) {
    std::vector<int64_t> sizes(size_t(x.dim()), 1);
    sizes[0] = x.size(0);
    Tensor factors = at::empty(sizes, x.options()).bernoulli_(1 - drop);
    return drop < 1 ? factors.div_(1 - drop) : factors;
}

Tensor add_branch(const Tensor& x, Tensor branch, double drop) {
    return drop > 0 ? at::addcmul(x, branch, depth_factors(branch, drop)) : branch.add_(x);
}

Tensor mean_of_pixels(const Tensor& x) {
    return at::adaptive_avg_pool2d(x, {1, 1}).flatten(1);
}

int64_t multiple_of_8(int64_t channels) {
    const int64_t nearest = std::max<int64_t>(8, (channels + 4) / 8 * 8);
    return 10 * nearest < 9 * channels ? nearest + 8 : nearest;
}

}  // namespace ailab::vision
