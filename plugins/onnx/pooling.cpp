// Pooling, means and sums.
#include <ATen/ATen.h>

#include "operation.hpp"

namespace ailab::onnx {
namespace {

// ---- written

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

// ---- read

at::Tensor max_pool(const Node& node, const Values& in) {
    const auto dimensions = size_t(in[0].dim() - 2);
    const auto pool = dimensions == 1   ? at::max_pool1d
                      : dimensions == 2 ? at::max_pool2d
                                        : at::max_pool3d;
    return pool(in[0], node.list("kernel_shape"), node.list("strides"), padding(node, dimensions),
                node.list("dilations"), node.integer("ceil_mode", 0) != 0);
}

}  // namespace

Operations pooling() {
    return {{{"aten::max_pool1d", max_pool},
             {"aten::max_pool2d", max_pool},
             {"aten::max_pool3d", max_pool},
             {"aten::avg_pool2d", average_pool},
             {"aten::adaptive_avg_pool2d", adaptive_average_pool},
             {"aten::mean", mean},
             {"aten::sum", sum}},
            {{"MaxPool", max_pool},
             {"AveragePool",
              [](auto& n, auto& in) {
                  return at::avg_pool2d(in[0], n.list("kernel_shape"), n.list("strides"),
                                        padding(n, size_t(in[0].dim() - 2)),
                                        n.integer("ceil_mode", 0) != 0,
                                        n.integer("count_include_pad", 0) != 0);
              }},
             {"GlobalAveragePool",
              [](auto&, auto& in) {
                  return at::adaptive_avg_pool2d(in[0], {1, 1});
              }},
             {"ReduceMean",
              [](auto& n, auto& in) {
                  return in[0].mean(n.list("axes"), n.integer("keepdims", 1) != 0);
              }},
             {"ReduceSum", [](auto& n, auto& in) {
                  return in[0].sum(numbers(in[1]), n.integer("keepdims", 1) != 0);
              }}}};
}

}  // namespace ailab::onnx
