// MobileNetV3 (https://arxiv.org/abs/1905.02244) with torchvision's names.
#include "blocks.hpp"
#include "init.hpp"
#include "timm_names.hpp"

namespace ailab::vision {
namespace {

namespace nn = torch::nn;

struct MobileNetV3Options : ClassifierOptions {
    double dropout = 0.2;
    void visit(OptionVisitor& v) {
        ClassifierOptions::visit(v);
        v.option("dropout", dropout, "before the last layer", between(0, 1));
    }
};

constexpr Activation RE = Activation::relu;
constexpr Activation HS = Activation::hardswish;

/// A row of the paper's tables 1 and 2.
struct Row {
    int64_t kernel, expanded, out;
    bool squeeze;
    Activation activation;
    int64_t stride;
};
constexpr std::array<Row, 15> large = {{{3, 16, 16, false, RE, 1},
                                        {3, 64, 24, false, RE, 2},
                                        {3, 72, 24, false, RE, 1},
                                        {5, 72, 40, true, RE, 2},
                                        {5, 120, 40, true, RE, 1},
                                        {5, 120, 40, true, RE, 1},
                                        {3, 240, 80, false, HS, 2},
                                        {3, 200, 80, false, HS, 1},
                                        {3, 184, 80, false, HS, 1},
                                        {3, 184, 80, false, HS, 1},
                                        {3, 480, 112, true, HS, 1},
                                        {3, 672, 112, true, HS, 1},
                                        {5, 672, 160, true, HS, 2},
                                        {5, 960, 160, true, HS, 1},
                                        {5, 960, 160, true, HS, 1}}};
constexpr std::array<Row, 11> small = {{{3, 16, 16, true, RE, 2},
                                        {3, 72, 24, false, RE, 2},
                                        {3, 88, 24, false, RE, 1},
                                        {5, 96, 40, true, HS, 2},
                                        {5, 240, 40, true, HS, 1},
                                        {5, 240, 40, true, HS, 1},
                                        {5, 120, 48, true, HS, 1},
                                        {5, 144, 48, true, HS, 1},
                                        {5, 288, 96, true, HS, 2},
                                        {5, 576, 96, true, HS, 1},
                                        {5, 576, 96, true, HS, 1}}};
constexpr int64_t stem_channels = 16;

std::shared_ptr<ConvNorm> conv_norm(ConvNormOptions options) {
    options.eps = 0.001;
    options.momentum = 0.01;
    return std::make_shared<ConvNorm>(options);
}

class InvertedResidual final : public RepeatedLayer {
  public:
    InvertedResidual(int64_t in, const Row& row) : has_shortcut_(row.stride == 1 && in == row.out) {
        block_ = register_module("block", std::make_shared<Chain>());
        if (row.expanded != in)
            block_->add(conv_norm(
                {.in = in, .out = row.expanded, .kernel = 1, .activation = row.activation}));
        block_->add(conv_norm({.in = row.expanded,
                               .out = row.expanded,
                               .kernel = row.kernel,
                               .stride = row.stride,
                               .groups = row.expanded,
                               .activation = row.activation}));
        if (row.squeeze)
            block_->add(std::make_shared<SqueezeExcitation>(
                row.expanded, multiple_of_8(row.expanded / 4), Activation::relu,
                SqueezeExcitation::Gate::hardsigmoid));
        block_->add(conv_norm(
            {.in = row.expanded, .out = row.out, .kernel = 1, .activation = Activation::none}));
    }

  private:
    Tensor run(const Tensor& x) override {
        Tensor y = block_->forward(x);
        return has_shortcut_ ? y.add_(x) : y;
    }

    bool has_shortcut_;
    std::shared_ptr<Chain> block_;
};

class MobileNetV3 : public Model {
  public:
    using Options = MobileNetV3Options;

    Tensor forward(const Tensor& x) override {
        const Tensor y = activate(fc1_(mean_of_pixels(features_->forward(x))), HS);
        return fc2_(at::dropout(y, dropout_, is_training()));
    }

    // timm counts the rows in stages: one of them, then those of each width or stride.
    std::string state_dict_key(const std::string& timm) const override {
        if (timm == "conv_stem.weight")  // once a file, and in timm's alone
            log_warning(
                "the weights have timm's names, and timm's MobileNetV3 was trained with the "
                "epsilon "
                "1e-05 in its batch norms, where this one has torchvision's 0.001: outputs differ "
                "until it is trained on");
        const std::string last = concat("features.", rows_.size() + 1);
        if (const auto block = timm_block(timm)) {
            if (block->stage == stages_.size())
                return last + "." +
                       with_other_beginning(block->layer + "." + block->tensor,
                                            {{"conv.", "0."}, {"bn1.", "1."}});
            if (block->stage > stages_.size()) return timm;
            size_t number = block->block;
            for (size_t i = 0; i < block->stage; ++i) number += stages_[i];
            if (number >= rows_.size()) return timm;
            const Row& row = rows_[number];
            const int64_t in = number == 0 ? stem_channels : rows_[number - 1].out;
            return concat("features.", number + 1, ".block.",
                          inverted_residual_layer(block->layer, row.expanded != in, row.squeeze,
                                                  /*bare_projection=*/false),
                          ".", block->tensor);
        }
        return with_other_beginning(timm, {{"conv_stem.", "features.0.0."},
                                           {"bn1.", "features.0.1."},
                                           {"conv_head.", "classifier.0."},
                                           {"classifier.", "classifier.3."}});
    }

  protected:
    template <size_t n>
    MobileNetV3(const std::array<Row, n>& rows, std::vector<size_t> stages, int64_t hidden,
                const Options& options)
        : rows_(rows.begin(), rows.end()), stages_(std::move(stages)), dropout_(options.dropout) {
        features_ = register_module("features", std::make_shared<Chain>());
        features_->add(conv_norm(
            {.in = options.in_channels, .out = stem_channels, .stride = 2, .activation = HS}));
        int64_t in = stem_channels;
        for (const Row& row : rows) {
            features_->add(std::make_shared<InvertedResidual>(in, row));
            in = row.out;
        }
        const int64_t last = 6 * in;
        features_->add(conv_norm({.in = in, .out = last, .kernel = 1, .activation = HS}));
        const auto classifier = name_group(*this, "classifier");
        fc1_ = classifier->register_module("0", nn::Linear(last, hidden));
        fc2_ = classifier->register_module("3", nn::Linear(hidden, options.num_classes));

        init_convolutions(*this);
        init_linears(*this, [](Tensor& weight) { nn::init::normal_(weight, 0, 0.01); });
    }

  private:
    std::vector<Row> rows_;
    std::vector<size_t> stages_;  // timm's, in rows
    double dropout_;
    std::shared_ptr<Chain> features_;
    nn::Linear fc1_{nullptr}, fc2_{nullptr};
};

class MobileNetV3Large final : public MobileNetV3 {
  public:
    explicit MobileNetV3Large(const Options& options)
        : MobileNetV3(large, {1, 2, 3, 4, 2, 3}, 1280, options) {}
};
class MobileNetV3Small final : public MobileNetV3 {
  public:
    explicit MobileNetV3Small(const Options& options)
        : MobileNetV3(small, {1, 2, 3, 2, 3}, 1024, options) {}
};

}  // namespace

AILAB_REGISTER_AS(Model, MobileNetV3Large, "mobilenet_v3_large", "MobileNetV3, large")
AILAB_REGISTER_AS(Model, MobileNetV3Small, "mobilenet_v3_small", "MobileNetV3, small")

}  // namespace ailab::vision
