// From ATen's operations to ONNX's, opset 17 (onnx.ai/onnx/operators).
#include <cmath>
#include <map>
#include <numeric>

#include "call.hpp"

namespace ailab::onnx {
namespace {

using Translation = std::string (*)(Call&);

std::string identity(Call& c) {
    return c.tensor(0);
}

template <char const* operation>
std::string unary(Call& c) {
    return c.graph.add(operation, {c.tensor(0)});
}

/// ints(n): one number stands for all dimensions.
std::vector<int64_t> each(const std::vector<int64_t>& given, size_t dimensions) {
    return given.size() == 1 ? std::vector<int64_t>(dimensions, given[0]) : given;
}

std::vector<int64_t> both_sides(const std::vector<int64_t>& padding) {
    std::vector<int64_t> pads = padding;
    pads.insert(pads.end(), padding.begin(), padding.end());
    return pads;
}

// ---- arithmetic

std::string scaled(Call& c, const std::string& value, double factor) {
    if (factor == 1) return value;
    return c.graph.add("Mul", {value, c.graph.add_number(factor, c.type(0))});
}

/// A number among the operands takes the other's type.
std::string operand(Call& c, size_t i) {
    return c.is_number(i) ? c.graph.add_number(c.number(i), c.type(1 - i)) : c.tensor(i);
}

std::string add(Call& c) {
    const double alpha = c.size() > 2 ? c.number(2) : 1;
    return c.graph.add("Add", {operand(c, 0), scaled(c, operand(c, 1), alpha)});
}
std::string subtract(Call& c) {
    const double alpha = c.size() > 2 ? c.number(2) : 1;
    return c.graph.add("Sub", {operand(c, 0), scaled(c, operand(c, 1), alpha)});
}
std::string multiply(Call& c) {
    return c.graph.add("Mul", {operand(c, 0), operand(c, 1)});
}
std::string divide(Call& c) {
    if (c.size() > 2 && !c.is_none(2)) c.refuse("it rounds");
    return c.graph.add("Div", {operand(c, 0), operand(c, 1)});
}
std::string power(Call& c) {
    return c.graph.add("Pow", {operand(c, 0), operand(c, 1)});
}
/// self + value * tensor1 * tensor2
std::string add_product(Call& c) {
    const std::string product = c.graph.add("Mul", {c.tensor(1), c.tensor(2)});
    return c.graph.add("Add", {c.tensor(0), scaled(c, product, c.number(3))});
}
std::string reciprocal_root(Call& c) {
    return c.graph.add("Reciprocal", {c.graph.add("Sqrt", {c.tensor(0)})});
}

// ---- activations

std::string clip(Call& c, std::optional<double> low, std::optional<double> high) {
    const auto bound = [&](std::optional<double> value) {
        return value ? c.graph.add_number(*value, c.type(0)) : std::string();
    };
    return c.graph.add("Clip", {c.tensor(0), bound(low), bound(high)});
}
std::string clamp(Call& c) {
    const auto bound = [&](size_t i) {
        return c.is_none(i) ? std::optional<double>() : std::optional(c.number(i));
    };
    return clip(c, bound(1), bound(2));
}
std::string clamp_below(Call& c) {
    return clip(c, c.number(1), {});
}
std::string clamp_above(Call& c) {
    return clip(c, {}, c.number(1));
}
std::string hard_tanh(Call& c) {
    return clip(c, c.number(1), c.number(2));
}
std::string relu6(Call& c) {
    return clip(c, 0, 6);
}
std::string hard_sigmoid(Call& c) {
    return c.graph.add("HardSigmoid", {c.tensor(0)}, {{"alpha", 1.0 / 6}, {"beta", 0.5}});
}
std::string silu(Call& c) {
    return c.graph.add("Mul", {c.tensor(0), c.graph.add("Sigmoid", {c.tensor(0)})});
}
std::string leaky_relu(Call& c) {
    return c.graph.add("LeakyRelu", {c.tensor(0)}, {{"alpha", c.number(1)}});
}
std::string elu(Call& c) {
    if (c.number(2) != 1 || c.number(3) != 1) c.refuse("it scales");
    return c.graph.add("Elu", {c.tensor(0)}, {{"alpha", c.number(1)}});
}
std::string gelu(Call& c) {
    const auto number = [&](double value) { return c.graph.add_number(value, c.type(0)); };
    const std::string x = c.tensor(0);
    std::string inner;
    if (c.size() > 1 && c.text(1) == "tanh") {
        const std::string cube = c.graph.add("Pow", {x, number(3)});
        const std::string sum =
            c.graph.add("Add", {x, c.graph.add("Mul", {cube, number(0.044715)})});
        inner = c.graph.add("Tanh", {c.graph.add("Mul", {sum, number(std::sqrt(2 / M_PI))})});
    } else {
        inner = c.graph.add("Erf", {c.graph.add("Mul", {x, number(std::sqrt(0.5))})});
    }
    const std::string share = c.graph.add("Add", {inner, number(1)});
    return c.graph.add("Mul", {c.graph.add("Mul", {x, share}), number(0.5)});
}
std::string soft_max(Call& c, const char* operation) {
    if (!c.is_none(2)) c.refuse("it changes the type");
    return c.graph.add(operation, {c.tensor(0)}, {{"axis", c.integer(1)}});
}
std::string softmax(Call& c) {
    return soft_max(c, "Softmax");
}
std::string log_softmax(Call& c) {
    return soft_max(c, "LogSoftmax");
}

// ---- layers

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
        return c.is_none(i) ? c.graph.add_tensor(concat("constant_", usual, "_", channels),
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
    const std::string scale = c.is_none(2)
                                  ? c.graph.add_tensor("ones_" + c10::str(at::IntArrayRef(shape)),
                                                       at::ones(shape, c.type(0)))
                                  : c.tensor(2);
    std::vector<std::string> inputs = {c.tensor(0), scale};
    if (!c.is_none(3)) inputs.push_back(c.tensor(3));
    return c.graph.add("LayerNormalization", inputs,
                       {{"axis", -int64_t(shape.size())}, {"epsilon", c.number(4)}});
}

std::string transposed(Call& c, const std::string& value, int64_t rank, int64_t a, int64_t b) {
    std::vector<int64_t> order(static_cast<size_t>(rank));
    std::iota(order.begin(), order.end(), 0);
    std::swap(order[size_t(a)], order[size_t(b)]);
    return c.graph.add("Transpose", {value}, {{"perm", order}});
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

// ---- pooling

std::string pool(Call& c, const char* operation, size_t ceil_at, Attributes more) {
    // input, kernel, stride, padding, …
    const auto dimensions = size_t(c.rank(0) - 2);
    const std::vector<int64_t> kernel = each(c.integers(1), dimensions);
    std::vector<int64_t> stride = each(c.integers(2), dimensions);
    if (stride.empty()) stride = kernel;
    more.push_back({"kernel_shape", kernel});
    more.push_back({"strides", stride});
    more.push_back({"pads", both_sides(each(c.integers(3), dimensions))});
    more.push_back({"ceil_mode", c.integer(ceil_at)});
    return c.graph.add(operation, {c.tensor(0)}, more);
}
std::string max_pool(Call& c) {
    const auto dimensions = size_t(c.rank(0) - 2);
    return pool(c, "MaxPool", 5, {{"dilations", each(c.integers(4), dimensions)}});
}
std::string average_pool(Call& c) {
    if (c.size() > 6 && !c.is_none(6)) c.refuse("it has a divisor of its own");
    return pool(c, "AveragePool", 4, {{"count_include_pad", c.integer(5)}});
}
std::string adaptive_average_pool(Call& c) {
    const std::vector<int64_t> wanted = c.integers(1), shape = c.shape(0);
    std::vector<int64_t> kernel;
    bool global = true;
    for (size_t i = 0; i < wanted.size(); ++i) {
        const int64_t size = shape.at(shape.size() - wanted.size() + i);
        if (size % wanted[i] != 0) c.refuse(concat(size, " does not divide by ", wanted[i]));
        kernel.push_back(size / wanted[i]);
        global = global && wanted[i] == 1;
    }
    if (global) return c.graph.add("GlobalAveragePool", {c.tensor(0)});
    return c.graph.add("AveragePool", {c.tensor(0)},
                       {{"kernel_shape", kernel}, {"strides", kernel}});
}

// ---- shapes

std::string reshape_to(Call& c, const std::vector<int64_t>& shape) {
    return c.graph.add("Reshape", {c.tensor(0), c.graph.add_ints(shape)});
}
std::string view(Call& c) {
    return c.graph.add("Reshape", {c.tensor(0), c.sizes(1)});
}
std::string flatten(Call& c) {
    const std::vector<int64_t> shape = c.shape(0);
    const auto rank = int64_t(shape.size());
    const int64_t first = c.dimension(1, rank), last = c.dimension(2, rank);
    std::vector<int64_t> wanted;
    for (int64_t i = 0; i < first; ++i) wanted.push_back(0);  // as it is
    wanted.push_back(-1);
    for (int64_t i = last + 1; i < rank; ++i) wanted.push_back(shape[size_t(i)]);
    return reshape_to(c, wanted);
}
std::string transpose(Call& c) {
    const int64_t rank = c.rank(0);
    return transposed(c, c.tensor(0), rank, c.dimension(1, rank), c.dimension(2, rank));
}
std::string transpose_matrix(Call& c) {
    return c.rank(0) < 2 ? c.tensor(0) : transposed(c, c.tensor(0), 2, 0, 1);
}
std::string permute(Call& c) {
    std::vector<int64_t> order = c.integers(1);
    for (int64_t& dimension : order)
        if (dimension < 0) dimension += int64_t(order.size());
    return c.graph.add("Transpose", {c.tensor(0)}, {{"perm", order}});
}
std::string unsqueeze(Call& c) {
    return c.graph.add("Unsqueeze", {c.tensor(0), c.graph.add_ints({c.integer(1)})});
}
std::string squeeze(Call& c) {
    if (c.size() < 2) c.refuse("it names no dimension");
    return c.graph.add("Squeeze", {c.tensor(0), c.graph.add_ints(c.integers(1))});
}
std::string select(Call& c) {
    const std::string index = c.graph.add_tensor(concat("index_", c.integer(2)),
                                                 at::scalar_tensor(c.integer(2), at::kLong));
    return c.graph.add("Gather", {c.tensor(0), index}, {{"axis", c.dimension(1, c.rank(0))}});
}
std::string slice_of(Call& c, int64_t begin, int64_t end, int64_t step) {
    return c.graph.add("Slice", {c.tensor(0), c.graph.add_ints({begin}), c.graph.add_ints({end}),
                                 c.graph.add_ints({c.integer(1)}), c.graph.add_ints({step})});
}
std::string slice(Call& c) {
    return slice_of(c, c.is_none(2) ? 0 : c.integer(2),
                    c.is_none(3) ? std::numeric_limits<int64_t>::max() : c.integer(3),
                    c.integer(4));
}
std::string narrow(Call& c) {
    return slice_of(c, c.integer(2), c.integer(2) + c.integer(3), 1);
}
std::string concatenate(Call& c) {
    return c.graph.add("Concat", c.tensors(0), {{"axis", c.integer(1)}});
}
std::string stack(Call& c) {
    std::vector<std::string> parts;
    for (const std::string& part : c.tensors(0))
        parts.push_back(c.graph.add("Unsqueeze", {part, c.graph.add_ints({c.integer(1)})}));
    return c.graph.add("Concat", parts, {{"axis", c.integer(1)}});
}
std::string expand(Call& c) {
    return c.graph.add("Expand", {c.tensor(0), c.sizes(1, 1)});  // 1: as it is
}
/// A number in the shape of a tensor: `2 - x` begins with one.
std::string fill(Call& c) {
    return c.graph.add("Expand", {c.graph.add_number(c.number(1), c.type(0)),
                                  c.graph.add("Shape", {c.tensor(0)})});
}
std::string pad(Call& c) {
    // PyTorch begins with the last dimension, ONNX has all beginnings first.
    const std::vector<int64_t> given = c.integers(1);
    const auto rank = size_t(c.rank(0));
    std::vector<int64_t> pads(2 * rank);
    for (size_t i = 0; i < given.size() / 2; ++i) {
        pads[rank - 1 - i] = given[2 * i];
        pads[2 * rank - 1 - i] = given[2 * i + 1];
    }
    return c.graph.add(
        "Pad", {c.tensor(0), c.graph.add_ints(pads), c.graph.add_number(c.number(2), c.type(0))});
}
std::string convert(Call& c) {
    // to(dtype, …) and to(device, dtype, …)
    for (const size_t i : {size_t(1), size_t(2)}) {
        if (c.is_none(i)) continue;
        try {
            return c.graph.add("Cast", {c.tensor(0)},
                               {{"to", data_type(at::ScalarType(c.integer(i)))}});
        } catch (const c10::Error&) {
            continue;  // a device
        }
    }
    return c.tensor(0);
}

// ---- sums

std::string mean(Call& c) {
    if (c.size() < 3) c.refuse("it names no dimension");
    return c.graph.add("ReduceMean", {c.tensor(0)},
                       {{"axes", c.integers(1)}, {"keepdims", c.integer(2)}});
}
std::string sum(Call& c) {
    if (c.size() < 3) c.refuse("it names no dimension");
    return c.graph.add("ReduceSum", {c.tensor(0), c.graph.add_ints(c.integers(1))},
                       {{"keepdims", c.integer(2)}});
}

#define AILAB_UNARY(name, operation)               \
    constexpr char name##_operation[] = operation; \
    constexpr Translation name = unary<name##_operation>
AILAB_UNARY(relu, "Relu");
AILAB_UNARY(sigmoid, "Sigmoid");
AILAB_UNARY(tanh_, "Tanh");
AILAB_UNARY(exp_, "Exp");
AILAB_UNARY(log_, "Log");
AILAB_UNARY(sqrt_, "Sqrt");
AILAB_UNARY(abs_, "Abs");
AILAB_UNARY(negate, "Neg");
AILAB_UNARY(erf_, "Erf");
AILAB_UNARY(hard_swish, "HardSwish");
#undef AILAB_UNARY

const std::map<std::string, Translation>& translations() {
    static const std::map<std::string, Translation> all = {
        {"aten::_convolution", convolution},
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
        {"aten::embedding", embedding},
        {"aten::max_pool1d", max_pool},
        {"aten::max_pool2d", max_pool},
        {"aten::max_pool3d", max_pool},
        {"aten::avg_pool2d", average_pool},
        {"aten::adaptive_avg_pool2d", adaptive_average_pool},
        {"aten::add", add},
        {"aten::addcmul", add_product},
        {"aten::sub", subtract},
        {"aten::mul", multiply},
        {"aten::div", divide},
        {"aten::pow", power},
        {"aten::neg", negate},
        {"aten::exp", exp_},
        {"aten::log", log_},
        {"aten::sqrt", sqrt_},
        {"aten::rsqrt", reciprocal_root},
        {"aten::abs", abs_},
        {"aten::erf", erf_},
        {"aten::relu", relu},
        {"aten::relu6", relu6},
        {"aten::hardtanh", hard_tanh},
        {"aten::clamp", clamp},
        {"aten::clamp_min", clamp_below},
        {"aten::clamp_max", clamp_above},
        {"aten::hardswish", hard_swish},
        {"aten::hardsigmoid", hard_sigmoid},
        {"aten::sigmoid", sigmoid},
        {"aten::silu", silu},
        {"aten::tanh", tanh_},
        {"aten::gelu", gelu},
        {"aten::elu", elu},
        {"aten::leaky_relu", leaky_relu},
        {"aten::softmax", softmax},
        {"aten::log_softmax", log_softmax},
        {"aten::mean", mean},
        {"aten::sum", sum},
        {"aten::view", view},
        {"aten::reshape", view},
        {"aten::flatten", flatten},
        {"aten::transpose", transpose},
        {"aten::t", transpose_matrix},
        {"aten::numpy_T", transpose_matrix},
        {"aten::permute", permute},
        {"aten::unsqueeze", unsqueeze},
        {"aten::squeeze", squeeze},
        {"aten::select", select},
        {"aten::slice", slice},
        {"aten::narrow", narrow},
        {"aten::cat", concatenate},
        {"aten::stack", stack},
        {"aten::expand", expand},
        {"aten::fill", fill},
        {"aten::empty_like", identity},  // nobody reads it before it is filled
        {"aten::constant_pad_nd", pad},
        {"aten::to", convert},
        {"aten::dropout", identity},
        {"aten::feature_dropout", identity},
        {"aten::alpha_dropout", identity},
        {"aten::contiguous", identity},
        {"aten::clone", identity},
        {"aten::detach", identity},
        {"aten::alias", identity}};
    return all;
}

}  // namespace

std::string translate(Call& call) {
    const auto found = translations().find(call.operation());
    if (found == translations().end()) call.refuse("nobody has written it");
    return found->second(call);
}

}  // namespace ailab::onnx
