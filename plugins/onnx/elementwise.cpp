// Arithmetic, number by number.
#include <ATen/ATen.h>

#include "operation.hpp"

namespace ailab::onnx {
namespace {

// ---- written

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

}  // namespace

Operations elementwise() {
    return {{{"aten::add", add},
             {"aten::addcmul", add_product},
             {"aten::sub", subtract},
             {"aten::mul", multiply},
             {"aten::div", divide},
             {"aten::pow", power},
             {"aten::neg", unary<"Neg">},
             {"aten::exp", unary<"Exp">},
             {"aten::log", unary<"Log">},
             {"aten::sqrt", unary<"Sqrt">},
             {"aten::rsqrt", reciprocal_root},
             {"aten::abs", unary<"Abs">},
             {"aten::erf", unary<"Erf">}},
            {{"Add", [](auto&, auto& in) { return in[0] + in[1]; }},
             {"Sub", [](auto&, auto& in) { return in[0] - in[1]; }},
             {"Mul", [](auto&, auto& in) { return in[0] * in[1]; }},
             {"Div", [](auto&, auto& in) { return in[0] / in[1]; }},
             {"Pow", [](auto&, auto& in) { return in[0].pow(in[1]); }},
             {"Neg", [](auto&, auto& in) { return -in[0]; }},
             {"Exp", [](auto&, auto& in) { return in[0].exp(); }},
             {"Log", [](auto&, auto& in) { return in[0].log(); }},
             {"Sqrt", [](auto&, auto& in) { return in[0].sqrt(); }},
             {"Reciprocal", [](auto&, auto& in) { return in[0].reciprocal(); }},
             {"Abs", [](auto&, auto& in) { return in[0].abs(); }},
             {"Erf", [](auto&, auto& in) { return in[0].erf(); }}}};
}

}  // namespace ailab::onnx
