#include "resnet.hpp"

#include "init.hpp"

namespace ailab::vision {
namespace {

namespace nn = torch::nn;

nn::Conv2d conv(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1, int64_t groups = 1) {
    return nn::Conv2d(nn::Conv2dOptions(in, out, kernel)
                          .stride(stride)
                          .padding(kernel / 2)
                          .groups(groups)
                          .bias(false));
}

/// Gives the input the shape of the block's output.
class Shortcut final : public Layer {
  public:
    Shortcut(int64_t in, int64_t out, int64_t stride, bool average)
        : pool_stride_(average ? stride : 1) {
        // The average pool is a layer with a number too.
        const int first = average ? 1 : 0;
        conv_ = register_module(std::to_string(first), conv(in, out, 1, average ? 1 : stride));
        norm_ = register_module(std::to_string(first + 1), nn::BatchNorm2d(out));
    }
    Tensor forward(const Tensor& x) override {
        if (pool_stride_ == 1) return norm_(conv_(x));
        const int64_t s = pool_stride_;
        return norm_(conv_(at::avg_pool2d(x, {s, s}, {s, s}, 0, /*ceil_mode=*/true,
                                          /*count_include_pad=*/false)));
    }

  private:
    int64_t pool_stride_;
    nn::Conv2d conv_{nullptr};
    nn::BatchNorm2d norm_{nullptr};
};

class Block final : public RepeatedLayer {
  public:
    Block(const ResNetSpec& spec, int64_t in, int64_t planes, int64_t stride, bool average) {
        const int64_t out = planes * expansion(spec);
        if (spec.bottleneck) {
            const int64_t width = planes * spec.width / 64 * spec.groups;
            add(conv(in, width, 1), width);
            add(conv(width, width, 3, stride, spec.groups), width);
            add(conv(width, out, 1), out);
        } else {
            add(conv(in, planes, 3, stride), planes);
            add(conv(planes, planes, 3), planes);
        }
        if (stride != 1 || in != out)
            shortcut_ =
                register_module("downsample", std::make_shared<Shortcut>(in, out, stride, average));
    }

    static int64_t expansion(const ResNetSpec& spec) { return spec.bottleneck ? 4 : 1; }

    void start_as_identity() { nn::init::zeros_(norms_.back()->weight); }

  private:
    Tensor run(const Tensor& x) override {
        Tensor y = norms_[0](convs_[0](x));
        for (size_t i = 1; i < convs_.size(); ++i) y = norms_[i](convs_[i](y.relu_()));
        y += shortcut_ ? shortcut_->forward(x) : x;
        return y.relu_();
    }

    void add(const nn::Conv2d& convolution, int64_t channels) {
        const std::string number = std::to_string(convs_.size() + 1);
        convs_.push_back(register_module("conv" + number, convolution));
        norms_.push_back(register_module("bn" + number, nn::BatchNorm2d(channels)));
    }

    std::vector<nn::Conv2d> convs_;
    std::vector<nn::BatchNorm2d> norms_;
    std::shared_ptr<Shortcut> shortcut_;
};

}  // namespace

void ResNetOptions::visit(OptionVisitor& v) {
    ClassifierOptions::visit(v);
    v.option("small_input", small_input,
             "for images of about 32x32: the first convolution is 3x3 with stride 1, and no max "
             "pool follows");
    v.option("base_channels", base_channels,
             "channels of the first stage, doubled in each further one; 64 is torchvision's",
             between(16, 1e6));
    v.option("zero_init_residual", zero_init_residual,
             "each block begins as the identity (https://arxiv.org/abs/1706.02677)");
}

ResNet::ResNet(const ResNetSpec& spec, const ResNetOptions& options, const ResNetLayout& layout)
    : max_pool_(!options.small_input) {
    const int64_t stem_width = options.base_channels;
    const int64_t kernel = options.small_input ? 3 : layout.stem_kernel;
    stem_convs_.push_back(register_module(
        "conv1", conv(options.in_channels, stem_width, kernel, options.small_input ? 1 : 2)));
    if (layout.deep_stem)
        for (const char* name : {"conv2", "conv3"})
            stem_convs_.push_back(register_module(name, conv(stem_width, stem_width, 3)));
    bn1_ = register_module("bn1", nn::BatchNorm2d(stem_width));

    int64_t in = stem_width;
    std::vector<std::shared_ptr<Block>> blocks;
    for (size_t stage = 0; stage < stages_.size(); ++stage) {
        const int64_t planes = stem_width << stage;
        stages_[stage] =
            register_module("layer" + std::to_string(stage + 1), std::make_shared<Chain>());
        for (int64_t i = 0; i < spec.blocks[stage]; ++i) {
            const int64_t stride = stage > 0 && i == 0 ? 2 : 1;
            blocks.push_back(
                std::make_shared<Block>(spec, in, planes, stride, layout.average_shortcut));
            stages_[stage]->add(blocks.back());
            in = planes * Block::expansion(spec);
        }
    }
    fc_ = register_module("fc", nn::Linear(in, options.num_classes));

    init_convolutions(*this);
    if (options.zero_init_residual)
        for (const auto& block : blocks) block->start_as_identity();
}

Tensor ResNet::stem(const Tensor& x) {
    Tensor y = x;
    for (nn::Conv2d& convolution : stem_convs_) y = bn1_(convolution(y)).relu_();
    return max_pool_ ? at::max_pool2d(y, {3, 3}, {2, 2}, {1, 1}) : y;
}

Tensor ResNet::forward(const Tensor& x) {
    Tensor y = stem(x);
    for (const auto& stage : stages_) y = stage->forward(y);
    return fc_(mean_of_pixels(y));
}

namespace {

template <ResNetSpec spec>
class ResNetOf final : public ResNet {
  public:
    using Options = ResNetOptions;
    explicit ResNetOf(const Options& options) : ResNet(spec, options) {}
};

}  // namespace

AILAB_REGISTER_AS(Model, ResNetOf<basic(2, 2, 2, 2)>, "resnet18", "ResNet-18")
AILAB_REGISTER_AS(Model, ResNetOf<basic(3, 4, 6, 3)>, "resnet34", "ResNet-34")
AILAB_REGISTER_AS(Model, ResNetOf<bottleneck(3, 4, 6, 3)>, "resnet50", "ResNet-50")
AILAB_REGISTER_AS(Model, ResNetOf<bottleneck(3, 4, 23, 3)>, "resnet101", "ResNet-101")
AILAB_REGISTER_AS(Model, ResNetOf<bottleneck(3, 8, 36, 3)>, "resnet152", "ResNet-152")
AILAB_REGISTER_AS(Model, ResNetOf<bottleneck(3, 4, 6, 3, 32, 4)>, "resnext50_32x4d",
                  "ResNeXt-50, 32 groups of width 4")
AILAB_REGISTER_AS(Model, ResNetOf<bottleneck(3, 4, 23, 3, 32, 8)>, "resnext101_32x8d",
                  "ResNeXt-101, 32 groups of width 8")
AILAB_REGISTER_AS(Model, ResNetOf<bottleneck(3, 4, 23, 3, 64, 4)>, "resnext101_64x4d",
                  "ResNeXt-101, 64 groups of width 4")
AILAB_REGISTER_AS(Model, ResNetOf<bottleneck(3, 4, 6, 3, 1, 128)>, "wide_resnet50_2",
                  "Wide ResNet-50, bottlenecks twice as wide")
AILAB_REGISTER_AS(Model, ResNetOf<bottleneck(3, 4, 23, 3, 1, 128)>, "wide_resnet101_2",
                  "Wide ResNet-101, bottlenecks twice as wide")

}  // namespace ailab::vision
