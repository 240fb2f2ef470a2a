// ConvNeXt (https://arxiv.org/abs/2201.03545) with torchvision's names.
#include "blocks.hpp"
#include "init.hpp"
#include "timm_names.hpp"

namespace ailab::vision {
namespace {

namespace nn = torch::nn;

struct ConvNeXtSpec {
    std::array<int64_t, 4> channels, blocks;
    int64_t drop_percent;  // default of stochastic_depth_prob
};
constexpr ConvNeXtSpec convnext(int64_t width, int64_t third_stage, int64_t drop_percent) {
    return {{width, 2 * width, 4 * width, 8 * width}, {3, 3, third_stage, 3}, drop_percent};
}

struct ConvNeXtOptions : ClassifierOptions {
    double stochastic_depth_prob = 0;
    double layer_scale = 1e-6;
    void visit(OptionVisitor& v) {
        ClassifierOptions::visit(v);
        v.option("stochastic_depth_prob", stochastic_depth_prob,
                 "probability that the last residual branch is left out; it grows from 0 with the "
                 "depth",
                 between(0, 1));
        v.option("layer_scale", layer_scale, "first factor of each residual branch");
    }
};

nn::LayerNorm layer_norm(int64_t channels) {
    return nn::LayerNorm(nn::LayerNormOptions({channels}).eps(1e-6));
}

// Between these two a channels_last tensor is a contiguous one: nothing is copied.
Tensor channels_behind(const Tensor& x) {
    return x.permute({0, 2, 3, 1});
}
Tensor channels_ahead(const Tensor& x) {
    return x.permute({0, 3, 1, 2});
}

/// Of the channels of each pixel.
Tensor normalise(nn::LayerNorm& norm, const Tensor& x) {
    return channels_ahead(norm(channels_behind(x)));
}

class Block final : public RepeatedLayer {
  public:
    Block(int64_t channels, double layer_scale, double drop) : drop_(drop) {
        const auto layers = name_group(*this, "block");
        depthwise_ = layers->register_module(
            "0", nn::Conv2d(nn::Conv2dOptions(channels, channels, 7).padding(3).groups(channels)));
        norm_ = layers->register_module("2", layer_norm(channels));
        fc1_ = layers->register_module("3", nn::Linear(channels, 4 * channels));
        fc2_ = layers->register_module("5", nn::Linear(4 * channels, channels));
        scale_ = register_parameter("layer_scale", at::full({channels, 1, 1}, layer_scale));
    }

  private:
    Tensor run(const Tensor& x) override {
        const Tensor y = fc1_(norm_(channels_behind(depthwise_(x))));
        const Tensor branch = channels_ahead(fc2_(at::gelu(y)));
        const bool drops = is_training() && drop_ > 0;
        return at::addcmul(x, branch, drops ? scale_ * depth_factors(branch, drop_) : scale_);
    }

    double drop_;
    nn::Conv2d depthwise_{nullptr};
    nn::LayerNorm norm_{nullptr};
    nn::Linear fc1_{nullptr}, fc2_{nullptr};
    Tensor scale_;
};

/// Cuts the image into squares, each of which becomes one pixel.
class Stem final : public Layer {
  public:
    Stem(int64_t in, int64_t out) {
        conv_ = register_module("0", nn::Conv2d(nn::Conv2dOptions(in, out, 4).stride(4)));
        norm_ = register_module("1", layer_norm(out));
    }
    Tensor forward(const Tensor& x) override { return normalise(norm_, conv_(x)); }

  private:
    nn::Conv2d conv_{nullptr};
    nn::LayerNorm norm_{nullptr};
};

class Downsample final : public Layer {
  public:
    Downsample(int64_t in, int64_t out) {
        norm_ = register_module("0", layer_norm(in));
        conv_ = register_module("1", nn::Conv2d(nn::Conv2dOptions(in, out, 2).stride(2)));
    }
    Tensor forward(const Tensor& x) override { return conv_(normalise(norm_, x)); }

  private:
    nn::LayerNorm norm_{nullptr};
    nn::Conv2d conv_{nullptr};
};

class ConvNeXt : public Model {
  public:
    ConvNeXt(const ConvNeXtSpec& spec, const ConvNeXtOptions& options) {
        features_ = register_module("features", std::make_shared<Chain>());
        features_->add(std::make_shared<Stem>(options.in_channels, spec.channels[0]));
        int64_t last_block = -1, block = 0;
        for (const int64_t n : spec.blocks) last_block += n;
        for (size_t stage = 0; stage < spec.blocks.size(); ++stage) {
            const int64_t channels = spec.channels[stage];
            if (stage > 0)
                features_->add(std::make_shared<Downsample>(spec.channels[stage - 1], channels));
            auto blocks = std::make_shared<Chain>();
            for (int64_t i = 0; i < spec.blocks[stage]; ++i, ++block)
                blocks->add(std::make_shared<Block>(
                    channels, options.layer_scale,
                    options.stochastic_depth_prob * double(block) / double(last_block)));
            features_->add(blocks);
        }
        const auto classifier = name_group(*this, "classifier");
        norm_ = classifier->register_module("0", layer_norm(spec.channels.back()));
        fc_ =
            classifier->register_module("2", nn::Linear(spec.channels.back(), options.num_classes));

        const auto init = [](Tensor& weight) { truncated_normal_(weight, 0.02); };
        init_linears(*this, init);
        init_convolutions(*this, init);
    }

    Tensor forward(const Tensor& x) override {
        return fc_(norm_(mean_of_pixels(features_->forward(x))));
    }

    // Stages and the downsampling between them alternate in "features".
    std::string state_dict_key(const std::string& timm) const override {
        if (const auto block = timm_block(timm)) {
            const std::string place = concat("features.", 2 * block->stage + 1, ".", block->block);
            if (block->layer.empty() && block->tensor == "gamma") return place + ".layer_scale";
            return place + "." +
                   with_other_beginning(block->layer + "." + block->tensor,
                                        {{"conv_dw.", "block.0."},
                                         {"norm.", "block.2."},
                                         {"mlp.fc1.", "block.3."},
                                         {"mlp.fc2.", "block.5."}});
        }
        for (size_t stage = 1; stage < 4; ++stage)
            if (const std::string name = concat("stages.", stage, ".downsample.");
                timm.starts_with(name))
                return concat("features.", 2 * stage, ".", timm.substr(name.size()));
        return with_other_beginning(timm, {{"stem.", "features.0."},
                                           {"head.norm.", "classifier.0."},
                                           {"head.fc.", "classifier.2."}});
    }

  private:
    std::shared_ptr<Chain> features_;
    nn::LayerNorm norm_{nullptr};
    nn::Linear fc_{nullptr};
};

template <ConvNeXtSpec spec>
class ConvNeXtOf final : public ConvNeXt {
  public:
    struct Options : ConvNeXtOptions {
        Options() { stochastic_depth_prob = double(spec.drop_percent) / 100; }
    };
    explicit ConvNeXtOf(const Options& options) : ConvNeXt(spec, options) {}
};

}  // namespace

AILAB_REGISTER_AS(Model, ConvNeXtOf<convnext(96, 9, 10)>, "convnext_tiny", "ConvNeXt, tiny")
AILAB_REGISTER_AS(Model, ConvNeXtOf<convnext(96, 27, 40)>, "convnext_small", "ConvNeXt, small")
AILAB_REGISTER_AS(Model, ConvNeXtOf<convnext(128, 27, 50)>, "convnext_base", "ConvNeXt, base")
AILAB_REGISTER_AS(Model, ConvNeXtOf<convnext(192, 27, 50)>, "convnext_large", "ConvNeXt, large")

}  // namespace ailab::vision
