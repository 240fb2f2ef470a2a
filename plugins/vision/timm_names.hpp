#pragma once
// The names that timm (https://github.com/huggingface/pytorch-image-models) gives to the tensors of
// models that torchvision has too.
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ailab::vision {

/// `name` with the first of these beginnings that it has replaced: {"head.", "heads.head."}.
std::string with_other_beginning(
    const std::string& name, const std::vector<std::pair<std::string, std::string>>& beginnings);

/// A tensor of "blocks.2.1.conv_pw.weight" or "stages.2.blocks.1.norm.weight".
struct TimmBlock {
    size_t stage, block;
    std::string layer;   // "conv_pw"
    std::string tensor;  // "weight"
};
std::optional<TimmBlock> timm_block(const std::string& name);

/// The name in a stage's or network's chain of layers of what timm calls `layer` in an inverted
/// residual: "0.1" for bn1. "" if there is none of that name. `bare_projection`: its convolution
/// and batch norm stand in the chain themselves (MobileNetV2).
std::string inverted_residual_layer(const std::string& layer, bool expands, bool squeezes,
                                    bool bare_projection);

}  // namespace ailab::vision
