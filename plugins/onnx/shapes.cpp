// What moves, cuts or joins tensors, or changes their type.
#include <ATen/ATen.h>

#include <limits>

#include "operation.hpp"

namespace ailab::onnx {
namespace {

// ---- written

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

// ---- read

at::Tensor reshape(const Values& in) {
    std::vector<int64_t> shape = numbers(in[1]);
    for (size_t i = 0; i < shape.size(); ++i)
        if (shape[i] == 0) shape[i] = in[0].size(int64_t(i));
    return in[0].reshape(shape);
}

at::Tensor slice(const Values& in) {
    at::Tensor result = in[0];
    const auto begins = numbers(in[1]), ends = numbers(in[2]), axes = numbers(in[3]),
               steps = numbers(in[4]);
    for (size_t i = 0; i < axes.size(); ++i)
        result = result.slice(axes[i], begins[i], ends[i], steps[i]);
    return result;
}

at::Tensor pad(const Values& in) {
    const std::vector<int64_t> pads = numbers(in[1]);
    const size_t rank = pads.size() / 2;
    std::vector<int64_t> from_last;
    for (size_t i = rank; i-- > 0;) {
        from_last.push_back(pads[i]);
        from_last.push_back(pads[rank + i]);
    }
    return at::constant_pad_nd(in[0], from_last, in[2].item());
}

}  // namespace

Operations shapes() {
    return {{{"aten::view", view},           {"aten::reshape", view},
             {"aten::flatten", flatten},     {"aten::transpose", transpose},
             {"aten::t", transpose_matrix},  {"aten::numpy_T", transpose_matrix},
             {"aten::permute", permute},     {"aten::unsqueeze", unsqueeze},
             {"aten::squeeze", squeeze},     {"aten::select", select},
             {"aten::slice", slice},         {"aten::narrow", narrow},
             {"aten::cat", concatenate},     {"aten::stack", stack},
             {"aten::expand", expand},       {"aten::fill", fill},
             {"aten::empty_like", identity},  // nobody reads it before it is filled
             {"aten::constant_pad_nd", pad}, {"aten::to", convert},
             {"aten::contiguous", identity}, {"aten::clone", identity},
             {"aten::detach", identity},     {"aten::alias", identity}},
            {{"Identity", [](auto&, auto& in) { return in[0]; }},
             {"Reshape", [](auto&, auto& in) { return reshape(in); }},
             {"Transpose", [](auto& n, auto& in) { return in[0].permute(n.list("perm")); }},
             {"Unsqueeze", [](auto&, auto& in) { return in[0].unsqueeze(numbers(in[1])[0]); }},
             {"Squeeze", [](auto&, auto& in) { return in[0].squeeze(numbers(in[1])); }},
             {"Gather",
              [](auto& n, auto& in) {
                  const int64_t axis = n.integer("axis", 0);
                  if (in[1].dim() == 0) return in[0].select(axis, in[1].template item<int64_t>());
                  if (in[1].dim() == 1) return in[0].index_select(axis, in[1]);
                  return at::embedding(in[0], in[1]);
              }},
             {"Slice", [](auto&, auto& in) { return slice(in); }},
             {"Concat", [](auto& n, auto& in) { return at::cat(in, n.integer("axis", 0)); }},
             {"Expand",
              [](auto&, auto& in) {
                  return in[0] * at::ones(numbers(in[1]), in[0].options());  // broadcasts both ways
              }},
             {"Shape", [](auto&, auto& in) { return at::tensor(in[0].sizes(), at::kLong); }},
             {"Pad", [](auto&, auto& in) { return pad(in); }},
             {"Cast", [](auto& n, auto& in) {
                  return in[0].to(scalar_type(uint64_t(n.integer("to", 1))));
              }}}};
}

}  // namespace ailab::onnx
