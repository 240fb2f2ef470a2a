#pragma once
// Residual networks (https://arxiv.org/abs/1512.03385) with the stride in the 3x3 convolution, and
// their wide (https://arxiv.org/abs/1605.07146) and grouped (https://arxiv.org/abs/1611.05431)
// variants. Names of parameters are torchvision's.
#include <array>

#include "blocks.hpp"

namespace ailab::vision {

/// What makes a variant. Bottleneck blocks have 1x1, 3x3 and 1x1 convolutions, others two of 3x3.
struct ResNetSpec {
    bool bottleneck;
    std::array<int64_t, 4> blocks;
    int64_t groups = 1;
    int64_t width = 64;  // of a group in the first stage's bottlenecks
};
constexpr ResNetSpec basic(int64_t a, int64_t b, int64_t c, int64_t d) {
    return {false, {a, b, c, d}};
}
constexpr ResNetSpec bottleneck(int64_t a, int64_t b, int64_t c, int64_t d, int64_t groups = 1,
                                int64_t width = 64) {
    return {true, {a, b, c, d}, groups, width};
}

struct ResNetOptions : ClassifierOptions {
    bool small_input = false;
    int64_t base_channels = 64;
    bool zero_init_residual = false;
    void visit(OptionVisitor& v);
};

/// Where LabResNet differs.
struct ResNetLayout {
    int64_t stem_kernel = 7;
    /// Two more 3x3 convolutions in the stem, "conv2" and "conv3".
    bool deep_stem = false;
    /// Shortcuts average over what the stride would leave out.
    bool average_shortcut = false;
};

class ResNet : public Model {
  public:
    ResNet(const ResNetSpec& spec, const ResNetOptions& options, const ResNetLayout& layout = {});
    /// [N, in_channels, H, W] -> [N, num_classes].
    Tensor forward(const Tensor& x) override;

  private:
    Tensor stem(const Tensor& x);

    std::vector<torch::nn::Conv2d> stem_convs_;
    torch::nn::BatchNorm2d bn1_{nullptr};
    std::array<std::shared_ptr<Chain>, 4> stages_;
    torch::nn::Linear fc_{nullptr};
    bool max_pool_;
};

}  // namespace ailab::vision
