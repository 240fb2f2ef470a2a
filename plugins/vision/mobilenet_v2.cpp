// MobileNetV2 (https://arxiv.org/abs/1801.04381) with torchvision's names.
#include "feature_classifier.hpp"
#include "init.hpp"
#include "timm_names.hpp"

namespace ailab::vision {
namespace {

namespace nn = torch::nn;

struct MobileNetV2Options : ClassifierOptions {
    double dropout = 0.2;
    void visit(OptionVisitor& v) {
        ClassifierOptions::visit(v);
        v.option("dropout", dropout, "before the classifier", between(0, 1));
    }
};

/// A stage of the network: `repeats` blocks, the first with `stride`.
struct Stage {
    int64_t expansion, channels, repeats, stride;
};
constexpr std::array<Stage, 7> stages = {{{1, 16, 1, 1},
                                          {6, 24, 2, 2},
                                          {6, 32, 3, 2},
                                          {6, 64, 4, 2},
                                          {6, 96, 3, 1},
                                          {6, 160, 3, 2},
                                          {6, 320, 1, 1}}};
constexpr int64_t stem_channels = 32;
constexpr int64_t last_channels = 1280;

class InvertedResidual final : public RepeatedLayer {
  public:
    InvertedResidual(int64_t in, int64_t out, int64_t stride, int64_t expansion)
        : has_shortcut_(stride == 1 && in == out) {
        const auto layers = name_group(*this, "conv");
        int number = 0;
        const auto next = [&] { return std::to_string(number++); };
        const int64_t hidden = in * expansion;
        if (expansion != 1)
            expand_ = layers->register_module(
                next(),
                std::make_shared<ConvNorm>(ConvNormOptions{
                    .in = in, .out = hidden, .kernel = 1, .activation = Activation::relu6}));
        depthwise_ = layers->register_module(
            next(), std::make_shared<ConvNorm>(ConvNormOptions{.in = hidden,
                                                               .out = hidden,
                                                               .stride = stride,
                                                               .groups = hidden,
                                                               .activation = Activation::relu6}));
        project_ = layers->register_module(
            next(), nn::Conv2d(nn::Conv2dOptions(hidden, out, 1).bias(false)));
        norm_ = layers->register_module(next(), nn::BatchNorm2d(out));
    }

  private:
    Tensor run(const Tensor& x) override {
        const Tensor wide = expand_ ? expand_->forward(x) : x;
        Tensor y = norm_(project_(depthwise_->forward(wide)));
        return has_shortcut_ ? y.add_(x) : y;
    }

    bool has_shortcut_;
    std::shared_ptr<ConvNorm> expand_, depthwise_;
    nn::Conv2d project_{nullptr};
    nn::BatchNorm2d norm_{nullptr};
};

class MobileNetV2 final : public FeatureClassifier {
  public:
    using Options = MobileNetV2Options;
    explicit MobileNetV2(const Options& options) : FeatureClassifier(options.dropout) {
        features_->add(
            std::make_shared<ConvNorm>(ConvNormOptions{.in = options.in_channels,
                                                       .out = stem_channels,
                                                       .stride = 2,
                                                       .activation = Activation::relu6}));
        int64_t in = stem_channels;
        for (const Stage& stage : stages)
            for (int64_t i = 0; i < stage.repeats; ++i) {
                features_->add(std::make_shared<InvertedResidual>(
                    in, stage.channels, i == 0 ? stage.stride : 1, stage.expansion));
                in = stage.channels;
            }
        features_->add(std::make_shared<ConvNorm>(ConvNormOptions{
            .in = in, .out = last_channels, .kernel = 1, .activation = Activation::relu6}));
        add_classifier(last_channels, options.num_classes);

        init_convolutions(*this);
        init_linears(*this, [](Tensor& weight) { nn::init::normal_(weight, 0, 0.01); });
    }

    std::string state_dict_key(const std::string& timm) const override {
        if (const auto block = timm_block(timm)) {
            if (block->stage >= stages.size()) return timm;
            int64_t number = 1 + int64_t(block->block);  // the stem is 0
            for (size_t i = 0; i < block->stage; ++i) number += stages[i].repeats;
            return concat("features.", number, ".conv.",
                          inverted_residual_layer(block->layer, stages[block->stage].expansion > 1,
                                                  /*squeezes=*/false, /*bare_projection=*/true),
                          ".", block->tensor);
        }
        return with_other_beginning(timm, {{"conv_stem.", "features.0.0."},
                                           {"bn1.", "features.0.1."},
                                           {"conv_head.", "features.18.0."},
                                           {"bn2.", "features.18.1."},
                                           {"classifier.", "classifier.1."}});
    }
};

}  // namespace

AILAB_REGISTER_AS(Model, MobileNetV2, "mobilenet_v2", "MobileNetV2")

}  // namespace ailab::vision
