// Vision transformers (https://arxiv.org/abs/2010.11929) with torchvision's names.
#include <cmath>
#include <regex>

#include "attention.hpp"
#include "blocks.hpp"
#include "init.hpp"
#include "options/limits.hpp"
#include "timm_names.hpp"

namespace ailab::vision {
namespace {

namespace nn = torch::nn;

struct ViTSpec {
    int64_t patch_size, layers, heads, width, mlp_width;
};
constexpr ViTSpec vit_base(int64_t patch_size) {
    return {patch_size, 12, 12, 768, 3072};
}
constexpr ViTSpec vit_large(int64_t patch_size) {
    return {patch_size, 24, 16, 1024, 4096};
}

struct ViTOptions : ClassifierOptions {
    int64_t image_size = 224;
    int64_t patch_size = 16;
    double dropout = 0;
    double attention_dropout = 0;
    void visit(OptionVisitor& v) {
        ClassifierOptions::visit(v);
        v.option("image_size", image_size, "height and width of the images", pixels_from(1));
        v.option("patch_size", patch_size, "height and width of a token's part of the image",
                 pixels_from(1));
        v.option("dropout", dropout, "after each layer", between(0, 1));
        v.option("attention_dropout", attention_dropout, "of attention weights", between(0, 1));
        v.rule([this] {
            return image_size % patch_size == 0
                       ? std::string()
                       : concat("image_size ", image_size, " is no multiple of patch_size ",
                                patch_size, ".");
        });
    }
};

nn::LayerNorm layer_norm(int64_t width) {
    return nn::LayerNorm(nn::LayerNormOptions({width}).eps(1e-6));
}

class EncoderLayer final : public RepeatedLayer {
  public:
    EncoderLayer(const ViTSpec& spec, const ViTOptions& options) : dropout_(options.dropout) {
        ln_1_ = register_module("ln_1", layer_norm(spec.width));
        attention_ = register_module(
            "self_attention",
            std::make_shared<SelfAttention>(spec.width, spec.heads, options.attention_dropout));
        ln_2_ = register_module("ln_2", layer_norm(spec.width));
        const auto mlp = name_group(*this, "mlp");
        fc1_ = mlp->register_module("0", nn::Linear(spec.width, spec.mlp_width));
        fc2_ = mlp->register_module("3", nn::Linear(spec.mlp_width, spec.width));
        for (nn::Linear& linear : {std::ref(fc1_), std::ref(fc2_)}) {
            nn::init::xavier_uniform_(linear->weight);
            nn::init::normal_(linear->bias, 0, 1e-6);
        }
    }

  private:
    Tensor run(const Tensor& input) override {
        const Tensor x = drop(attention_->forward(ln_1_(input))).add_(input);
        return drop(fc2_(drop(at::gelu(fc1_(ln_2_(x)))))).add_(x);
    }

    Tensor drop(const Tensor& x) const { return at::dropout(x, dropout_, is_training()); }

    double dropout_;
    nn::LayerNorm ln_1_{nullptr}, ln_2_{nullptr};
    std::shared_ptr<SelfAttention> attention_;
    nn::Linear fc1_{nullptr}, fc2_{nullptr};
};

class ViT : public Model {
  public:
    ViT(const ViTSpec& spec, const ViTOptions& options)
        : image_size_(options.image_size), dropout_(options.dropout) {
        class_token_ = register_parameter("class_token", at::zeros({1, 1, spec.width}));
        conv_proj_ = register_module(
            "conv_proj",
            nn::Conv2d(nn::Conv2dOptions(options.in_channels, spec.width, options.patch_size)
                           .stride(options.patch_size)));
        const int64_t patches = image_size_ / options.patch_size;
        const auto encoder = name_group(*this, "encoder");
        positions_ = encoder->register_parameter("pos_embedding",
                                                 at::empty({1, patches * patches + 1, spec.width}));
        const auto layers = name_group(*encoder, "layers");
        for (int64_t i = 0; i < spec.layers; ++i)
            layers_.push_back(
                layers->register_module("encoder_layer_" + std::to_string(i),
                                        std::make_shared<EncoderLayer>(spec, options)));
        ln_ = encoder->register_module("ln", layer_norm(spec.width));
        head_ = name_group(*this, "heads")
                    ->register_module("head", nn::Linear(spec.width, options.num_classes));

        nn::init::normal_(positions_, 0, 0.02);
        const Tensor& weight = conv_proj_->weight;
        truncated_normal_(weight, std::sqrt(1 / double(weight[0].numel())));
        nn::init::zeros_(conv_proj_->bias);
        nn::init::zeros_(head_->weight);
        nn::init::zeros_(head_->bias);
    }

    Tensor forward(const Tensor& images) override {
        if (images.size(2) != image_size_ || images.size(3) != image_size_)
            throw Error(concat("a vision transformer with image_size ", image_size_,
                               " was given images of ", images.size(2), "x", images.size(3),
                               "; set image_size, or resize the images"));
        const Tensor patches = conv_proj_(images).flatten(2).transpose(1, 2);
        // The class token comes first. It is padded to all tokens, not expanded to all images: a
        // traced graph then serves any number of images.
        const int64_t tokens = positions_.size(1);
        const Tensor added = positions_ + at::constant_pad_nd(class_token_, {0, 0, 0, tokens - 1});
        Tensor x = at::constant_pad_nd(patches, {0, 0, 1, 0}).add_(added);
        x = at::dropout(x, dropout_, is_training());
        for (const auto& layer : layers_) x = layer->forward(x);
        return head_(ln_(x.select(1, 0)));
    }

    std::string state_dict_key(const std::string& timm) const override {
        std::smatch part;
        static const std::regex block(R"(blocks\.(\d+)\.(.+))");
        if (std::regex_match(timm, part, block))
            return "encoder.layers.encoder_layer_" + part[1].str() + "." +
                   with_other_beginning(part[2], {{"norm1.", "ln_1."},
                                                  {"norm2.", "ln_2."},
                                                  {"attn.qkv.", "self_attention.in_proj_"},
                                                  {"attn.proj.", "self_attention.out_proj."},
                                                  {"mlp.fc1.", "mlp.0."},
                                                  {"mlp.fc2.", "mlp.3."}});
        return with_other_beginning(timm, {{"cls_token", "class_token"},
                                           {"pos_embed", "encoder.pos_embedding"},
                                           {"patch_embed.proj.", "conv_proj."},
                                           {"norm.", "encoder.ln."},
                                           {"head.", "heads.head."}});
    }

  private:
    int64_t image_size_;
    double dropout_;
    Tensor class_token_, positions_;
    nn::Conv2d conv_proj_{nullptr};
    std::vector<std::shared_ptr<EncoderLayer>> layers_;
    nn::LayerNorm ln_{nullptr};
    nn::Linear head_{nullptr};
};

template <ViTSpec spec>
class ViTOf final : public ViT {
  public:
    struct Options : ViTOptions {
        Options() { patch_size = spec.patch_size; }
    };
    explicit ViTOf(const Options& options) : ViT(spec, options) {}
};

}  // namespace

AILAB_REGISTER_AS(Model, ViTOf<vit_base(16)>, "vit_b_16", "Vision transformer, base, patches of 16")
AILAB_REGISTER_AS(Model, ViTOf<vit_base(32)>, "vit_b_32", "Vision transformer, base, patches of 32")
AILAB_REGISTER_AS(Model, ViTOf<vit_large(16)>, "vit_l_16",
                  "Vision transformer, large, patches of 16")
AILAB_REGISTER_AS(Model, ViTOf<vit_large(32)>, "vit_l_32",
                  "Vision transformer, large, patches of 32")

}  // namespace ailab::vision
