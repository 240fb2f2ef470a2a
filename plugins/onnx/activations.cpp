// Activations, softmax, and dropout, which does nothing once a model is trained.
#include <ATen/ATen.h>

#include <cmath>
#include <optional>

#include "operation.hpp"

namespace ailab::onnx {
namespace {

// ---- written

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
std::string softmax_as(Call& c, const char* operation) {
    if (!c.is_none(2)) c.refuse("it changes the type");
    return c.graph.add(operation, {c.tensor(0)}, {{"axis", c.integer(1)}});
}
std::string softmax(Call& c) {
    return softmax_as(c, "Softmax");
}
std::string log_softmax(Call& c) {
    return softmax_as(c, "LogSoftmax");
}

// ---- read

at::Tensor clip(const Values& in) {
    const auto bound = [&](size_t i) {
        return i < in.size() && in[i].defined() ? std::optional(in[i].item())
                                                : std::optional<at::Scalar>();
    };
    return at::clamp(in[0], bound(1), bound(2));
}

}  // namespace

Operations activations() {
    return {{{"aten::relu", unary<"Relu">},
             {"aten::relu6", relu6},
             {"aten::hardtanh", hard_tanh},
             {"aten::clamp", clamp},
             {"aten::clamp_min", clamp_below},
             {"aten::clamp_max", clamp_above},
             {"aten::hardswish", unary<"HardSwish">},
             {"aten::hardsigmoid", hard_sigmoid},
             {"aten::sigmoid", unary<"Sigmoid">},
             {"aten::silu", silu},
             {"aten::tanh", unary<"Tanh">},
             {"aten::gelu", gelu},
             {"aten::elu", elu},
             {"aten::leaky_relu", leaky_relu},
             {"aten::softmax", softmax},
             {"aten::log_softmax", log_softmax},
             {"aten::dropout", identity},
             {"aten::feature_dropout", identity},
             {"aten::alpha_dropout", identity}},
            {{"Relu", [](auto&, auto& in) { return in[0].clamp_min(0); }},
             {"Clip", [](auto&, auto& in) { return clip(in); }},
             {"HardSwish", [](auto&, auto& in) { return in[0] * (in[0] / 6 + 0.5).clamp(0, 1); }},
             {"HardSigmoid",
              [](auto& n, auto& in) {
                  return (in[0] * n.number("alpha", 0.2) + n.number("beta", 0.5)).clamp(0, 1);
              }},
             {"Sigmoid", [](auto&, auto& in) { return in[0].sigmoid(); }},
             {"Tanh", [](auto&, auto& in) { return in[0].tanh(); }},
             {"Elu", [](auto& n, auto& in) { return at::elu(in[0], n.number("alpha", 1)); }},
             {"LeakyRelu",
              [](auto& n, auto& in) { return at::leaky_relu(in[0], n.number("alpha", 0.01)); }},
             {"Softmax", [](auto& n, auto& in) { return in[0].softmax(n.integer("axis", -1)); }},
             {"LogSoftmax",
              [](auto& n, auto& in) { return in[0].log_softmax(n.integer("axis", -1)); }}}};
}

}  // namespace ailab::onnx
