// Convolutions, norms, matrix products.
#include <ATen/ATen.h>

#include <cmath>

#include "operation.hpp"

namespace ailab::onnx {
namespace {

// ---- written

/// input, weight, bias, stride, padding, dilation, [transposed, output_padding,] groups
std::string convolve(Call& c, bool transposed, size_t groups, size_t output_padding) {
    const auto dimensions = size_t(c.rank(0) - 2);
    std::vector<std::string> inputs = {c.tensor(0), c.tensor(1)};
    if (!c.is_none(2)) inputs.push_back(c.tensor(2));
    std::vector<int64_t> kernel = c.shape(1);
    kernel.erase(kernel.begin(), kernel.begin() + 2);
    Attributes attributes = {{"kernel_shape", kernel},
                             {"strides", each(c.integers(3), dimensions)},
                             {"pads", both_sides(each(c.integers(4), dimensions))},
                             {"dilations", each(c.integers(5), dimensions)},
                             {"group", c.integer(groups)}};
    if (transposed)
        attributes.push_back({"output_padding", each(c.integers(output_padding), dimensions)});
    return c.graph.add(transposed ? "ConvTranspose" : "Conv", inputs, attributes);
}
std::string convolution(Call& c) {
    return convolve(c, c.flag(6), 8, 7);
}
std::string plain_convolution(Call& c) {
    return convolve(c, false, 6, 0);
}

std::string batch_norm(Call& c) {
    // input, weight, bias, running_mean, running_var, training, momentum, eps
    if (c.flag(5)) c.refuse("it trains");
    if (c.is_none(3) || c.is_none(4)) c.refuse("it has no running statistics");
    const int64_t channels = c.shape(0).at(1);
    const auto given = [&](size_t i, double usual) {
        return c.is_none(i) ? c.graph.add_tensor(concat("constant_", usual, "_", channels, "_",
                                                        c10::toString(c.type(0))),
                                                 at::full({channels}, usual, c.type(0)))
                            : c.tensor(i);
    };
    return c.graph.add("BatchNormalization",
                       {c.tensor(0), given(1, 1), given(2, 0), c.tensor(3), c.tensor(4)},
                       {{"epsilon", c.number(7)}});
}

std::string layer_norm(Call& c) {
    // input, normalized_shape, weight, bias, eps
    const std::vector<int64_t> shape = c.integers(1);
    const std::string scale =
        c.is_none(2) ? c.graph.add_tensor(
                           c10::str("ones_", at::IntArrayRef(shape), "_", c10::toString(c.type(0))),
                           at::ones(shape, c.type(0)))
                     : c.tensor(2);
    std::vector<std::string> inputs = {c.tensor(0), scale};
    if (!c.is_none(3)) inputs.push_back(c.tensor(3));
    return c.graph.add("LayerNormalization", inputs,
                       {{"axis", -int64_t(shape.size())}, {"epsilon", c.number(4)}});
}

std::string linear(Call& c) {
    const bool biased = !c.is_none(2);
    if (c.rank(0) == 2 && biased)
        return c.graph.add("Gemm", {c.tensor(0), c.tensor(1), c.tensor(2)},
                           {{"transB", int64_t(1)}});
    const std::string product =
        c.graph.add("MatMul", {c.tensor(0), transposed(c, c.tensor(1), 2, 0, 1)});
    return biased ? c.graph.add("Add", {product, c.tensor(2)}) : product;
}

std::string matrix_product(Call& c) {
    return c.graph.add("MatMul", {c.tensor(0), c.tensor(1)});
}
std::string biased_product(Call& c) {
    return c.graph.add("Gemm", {c.tensor(1), c.tensor(2), c.tensor(0)},
                       {{"beta", c.number(3)}, {"alpha", c.number(4)}});
}

std::string attention(Call& c) {
    // query, key, value, mask, dropout, causal, scale, …
    if (!c.is_none(3) || c.flag(5)) c.refuse("it has a mask");
    const int64_t rank = c.rank(0);
    const double scale = c.is_none(6) ? 1 / std::sqrt(double(c.shape(0).back())) : c.number(6);
    const std::string scores =
        c.graph.add("MatMul", {c.tensor(0), transposed(c, c.tensor(1), rank, rank - 2, rank - 1)});
    const std::string weights =
        c.graph.add("Softmax", {c.graph.add("Mul", {scores, c.graph.add_number(scale, c.type(0))})},
                    {{"axis", int64_t(-1)}});
    return c.graph.add("MatMul", {weights, c.tensor(2)});
}

std::string embedding(Call& c) {
    return c.graph.add("Gather", {c.tensor(0), c.tensor(1)}, {{"axis", int64_t(0)}});
}

// ---- read

at::Tensor convolve(const Node& node, const Values& in, bool transposed) {
    const auto dimensions = size_t(in[0].dim() - 2);
    std::vector<int64_t> none(dimensions, 0);
    return at::convolution(in[0], in[1], in.size() > 2 ? in[2] : at::Tensor(), node.list("strides"),
                           padding(node, dimensions), node.list("dilations"), transposed,
                           transposed ? node.list("output_padding") : none,
                           node.integer("group", 1));
}

at::Tensor gemm(const Node& node, const Values& in) {
    const at::Tensor b = node.integer("transB", 0) ? in[1].t() : in[1];
    return at::addmm(in[2], in[0], b, node.number("beta", 1), node.number("alpha", 1));
}

at::Tensor layer_norm(const Node& node, const Values& in) {
    const int64_t axis = node.integer("axis", -1);
    const auto shape = in[0].sizes().slice(size_t(axis < 0 ? axis + in[0].dim() : axis));
    return at::layer_norm(in[0], shape, in[1], in.size() > 2 ? in[2] : at::Tensor(),
                          node.number("epsilon", 1e-5));
}

}  // namespace

Operations layers() {
    return {{{"aten::_convolution", convolution},
             {"aten::convolution", convolution},
             {"aten::conv1d", plain_convolution},
             {"aten::conv2d", plain_convolution},
             {"aten::conv3d", plain_convolution},
             {"aten::batch_norm", batch_norm},
             {"aten::layer_norm", layer_norm},
             {"aten::linear", linear},
             {"aten::addmm", biased_product},
             {"aten::matmul", matrix_product},
             {"aten::mm", matrix_product},
             {"aten::bmm", matrix_product},
             {"aten::scaled_dot_product_attention", attention},
             {"aten::embedding", embedding}},
            {{"Conv", [](auto& n, auto& in) { return convolve(n, in, false); }},
             {"ConvTranspose", [](auto& n, auto& in) { return convolve(n, in, true); }},
             {"BatchNormalization",
              [](auto& n, auto& in) {
                  return at::batch_norm(in[0], in[1], in[2], in[3], in[4], false, 0,
                                        n.number("epsilon", 1e-5), false);
              }},
             {"LayerNormalization", layer_norm},
             {"Gemm", gemm},
             {"MatMul", [](auto&, auto& in) { return at::matmul(in[0], in[1]); }}}};
}

}  // namespace ailab::onnx
