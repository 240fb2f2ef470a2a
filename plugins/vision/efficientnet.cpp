// EfficientNet (https://arxiv.org/abs/1905.11946) with torchvision's names.
#include <cmath>

#include "feature_classifier.hpp"
#include "init.hpp"
#include "timm_names.hpp"

namespace ailab::vision {
namespace {

namespace nn = torch::nn;

struct EfficientNetOptions : ClassifierOptions {
    double dropout = 0.2;
    double stochastic_depth_prob = 0.2;
    void visit(OptionVisitor& v) {
        ClassifierOptions::visit(v);
        v.option("dropout", dropout, "before the classifier", between(0, 1));
        v.option("stochastic_depth_prob", stochastic_depth_prob,
                 "probability that the last residual branch is left out; it grows from 0 with the "
                 "depth",
                 between(0, 1));
    }
};

/// A row of the paper's table 1.
struct Stage {
    int64_t expansion, kernel, stride, channels, repeats;
};
constexpr std::array<Stage, 7> stages_of_b0 = {{{1, 3, 1, 16, 1},
                                                {6, 3, 2, 24, 2},
                                                {6, 5, 2, 40, 2},
                                                {6, 3, 2, 80, 3},
                                                {6, 5, 1, 112, 3},
                                                {6, 5, 2, 192, 4},
                                                {6, 3, 1, 320, 1}}};
constexpr int64_t stem_channels = 32;

std::shared_ptr<ConvNorm> conv_norm(const ConvNormOptions& options) {
    return std::make_shared<ConvNorm>(options);
}

/// An inverted bottleneck with squeeze-and-excitation.
class MBConv final : public RepeatedLayer {
  public:
    MBConv(const Stage& stage, int64_t in, int64_t stride, double drop)
        : has_shortcut_(stride == 1 && in == stage.channels), drop_(drop) {
        const int64_t wide = in * stage.expansion;
        block_ = register_module("block", std::make_shared<Chain>());
        if (wide != in)
            block_->add(
                conv_norm({.in = in, .out = wide, .kernel = 1, .activation = Activation::silu}));
        block_->add(conv_norm({.in = wide,
                               .out = wide,
                               .kernel = stage.kernel,
                               .stride = stride,
                               .groups = wide,
                               .activation = Activation::silu}));
        block_->add(std::make_shared<SqueezeExcitation>(wide, std::max<int64_t>(1, in / 4),
                                                        Activation::silu,
                                                        SqueezeExcitation::Gate::sigmoid));
        block_->add(conv_norm(
            {.in = wide, .out = stage.channels, .kernel = 1, .activation = Activation::none}));
    }

  private:
    Tensor run(const Tensor& x) override {
        Tensor y = block_->forward(x);
        return has_shortcut_ ? add_branch(x, y, is_training() ? drop_ : 0) : y;
    }

    bool has_shortcut_;
    double drop_;
    std::shared_ptr<Chain> block_;
};

class EfficientNetB0 final : public FeatureClassifier {
  public:
    using Options = EfficientNetOptions;
    explicit EfficientNetB0(const Options& options) : FeatureClassifier(options.dropout) {
        features_->add(conv_norm({.in = options.in_channels,
                                  .out = stem_channels,
                                  .stride = 2,
                                  .activation = Activation::silu}));
        int64_t blocks = 0;
        for (const Stage& stage : stages_of_b0) blocks += stage.repeats;
        int64_t in = stem_channels, block = 0;
        for (const Stage& stage : stages_of_b0) {
            auto layers = std::make_shared<Chain>();
            for (int64_t i = 0; i < stage.repeats; ++i, ++block) {
                const double drop = options.stochastic_depth_prob * double(block) / double(blocks);
                layers->add(std::make_shared<MBConv>(stage, in, i == 0 ? stage.stride : 1, drop));
                in = stage.channels;
            }
            features_->add(layers);
        }
        const int64_t last = 4 * in;
        features_->add(
            conv_norm({.in = in, .out = last, .kernel = 1, .activation = Activation::silu}));
        add_classifier(last, options.num_classes);

        init_convolutions(*this);
        init_linears(*this, [](Tensor& weight) {
            const double bound = 1 / std::sqrt(double(weight.size(0)));
            nn::init::uniform_(weight, -bound, bound);
        });
    }
    std::string state_dict_key(const std::string& timm) const override {
        if (const auto block = timm_block(timm)) {
            if (block->stage >= stages_of_b0.size()) return timm;
            const bool expands = stages_of_b0[block->stage].expansion > 1;
            return concat("features.", block->stage + 1, ".", block->block, ".block.",
                          inverted_residual_layer(block->layer, expands, /*squeezes=*/true,
                                                  /*bare_projection=*/false),
                          ".", block->tensor);
        }
        return with_other_beginning(timm, {{"conv_stem.", "features.0.0."},
                                           {"bn1.", "features.0.1."},
                                           {"conv_head.", "features.8.0."},
                                           {"bn2.", "features.8.1."},
                                           {"classifier.", "classifier.1."}});
    }
};

}  // namespace

AILAB_REGISTER_AS(Model, EfficientNetB0, "efficientnet_b0", "EfficientNet-B0")

}  // namespace ailab::vision
