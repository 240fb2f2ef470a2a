#pragma once
// What the image models share.
#include <memory>
#include <string>
#include <vector>

#include "ailab/ailab.hpp"

namespace ailab::vision {

/// Options of every image classifier.
struct ClassifierOptions {
    int64_t num_classes = 1000;
    int64_t in_channels = 3;
    void visit(OptionVisitor& v);
};

/// A module that is called with one tensor.
class Layer : public torch::nn::Module {
  public:
    virtual Tensor forward(const Tensor& x) = 0;
};

/// A layer that a model repeats: a block, whose activations `runtime.recompute` drops.
class RepeatedLayer : public Layer {
  public:
    Tensor forward(const Tensor& x) final { return block(*this, &RepeatedLayer::run, x); }

  protected:
    virtual Tensor run(const Tensor& x) = 0;
};

/// Layers one after the other, named "0", "1", … as in torch::nn::Sequential, whose type erasure
/// costs several allocations a layer.
class Chain final : public Layer {
  public:
    void add(std::shared_ptr<Layer> layer);
    Tensor forward(const Tensor& x) override;

  private:
    std::vector<std::shared_ptr<Layer>> layers_;
};

/// A module that only lends its name to what is registered in it: "classifier" of
/// "classifier.1.weight".
std::shared_ptr<torch::nn::Module> name_group(torch::nn::Module& parent, const std::string& name);

enum class Activation { none, relu, relu6, hardswish, silu };

/// In place where autograd needs no copy of x for it; x must be nobody else's.
Tensor activate(Tensor x, Activation activation);

struct ConvNormOptions {
    int64_t in, out;
    int64_t kernel = 3, stride = 1, groups = 1;
    Activation activation = Activation::relu;
    double eps = 1e-5, momentum = 0.1;
};

/// A convolution without bias ("0"), BatchNorm ("1") and an activation. The padding keeps the size
/// of the image at stride 1.
class ConvNorm final : public Layer {
  public:
    explicit ConvNorm(const ConvNormOptions& options);
    Tensor forward(const Tensor& x) override;

  private:
    torch::nn::Conv2d conv_{nullptr};
    torch::nn::BatchNorm2d norm_{nullptr};
    Activation activation_;
};

/// Squeeze-and-excitation (https://arxiv.org/abs/1709.01507): each channel times a factor that two
/// 1x1 convolutions, "fc1" and "fc2", make from the means of all channels.
class SqueezeExcitation final : public Layer {
  public:
    enum class Gate { sigmoid, hardsigmoid };
    SqueezeExcitation(int64_t channels, int64_t squeezed, Activation activation, Gate gate);
    Tensor forward(const Tensor& x) override;

  private:
    torch::nn::Conv2d fc1_{nullptr}, fc2_{nullptr};
    Activation activation_;
    Gate gate_;
};

/// Stochastic depth (https://arxiv.org/abs/1603.09382) by rows: for x [N, …] the factors [N, 1, …],
/// 0 with probability `drop`, otherwise 1 / (1 - drop).
Tensor depth_factors(const Tensor& x, double drop);

/// x + branch, where `drop` > 0 with stochastic depth. `branch` is overwritten.
Tensor add_branch(const Tensor& x, Tensor branch, double drop);

/// The mean of each channel: [N, C, H, W] -> [N, C].
Tensor mean_of_pixels(const Tensor& x);

/// The multiple of 8 that is nearest to `channels`, but not below 0.9 of it.
int64_t multiple_of_8(int64_t channels);

}  // namespace ailab::vision
