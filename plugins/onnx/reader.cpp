#include "reader.hpp"

#include <ATen/ATen.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <optional>

#include "ailab/error.hpp"
#include "ailab/tensor_size.hpp"

namespace ailab::onnx {
namespace {

using Node = LoadedGraph::Node;
using Values = std::vector<at::Tensor>;  // undefined where an input is left out

// ---- protobuf

/// The fields of a message, one after another.
class Fields {
  public:
    explicit Fields(std::string_view bytes) : bytes_(bytes) {}

    bool next() {
        if (bytes_.empty()) return false;
        const uint64_t tag = varint();
        field = int(tag >> 3);
        switch (tag & 7) {
            case 0:
                number = varint();
                bytes = {};
                return true;
            case 1:
                bytes = take(8);
                return true;
            case 2:
                bytes = take(varint());
                return true;
            case 5:
                bytes = take(4);
                return true;
            default:
                throw Error("a field of the ONNX file has an unknown wire type");
        }
    }

    int field = 0;
    uint64_t number = 0;
    std::string_view bytes;

  private:
    uint64_t varint() {
        uint64_t value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            const uint8_t byte = uint8_t(take(1)[0]);
            value |= uint64_t(byte & 0x7F) << shift;
            if (byte < 0x80) return value;
        }
        throw Error("a number of the ONNX file is too long");
    }
    std::string_view take(uint64_t size) {
        if (size > bytes_.size()) throw Error("the ONNX file is cut");
        const std::string_view taken = bytes_.substr(0, size);
        bytes_.remove_prefix(size);
        return taken;
    }

    std::string_view bytes_;
};

at::ScalarType scalar_type(uint64_t type) {
    switch (type) {
        case 1:
            return at::kFloat;
        case 2:
            return at::kByte;
        case 6:
            return at::kInt;
        case 7:
            return at::kLong;
        case 9:
            return at::kBool;
        case 11:
            return at::kDouble;
        default:
            throw Error(concat("the ONNX file has a tensor of type ", type));
    }
}

std::string read_whole(const std::string& path) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    const std::streamoff size = file.tellg();
    std::string bytes(size < 0 ? size_t{0} : size_t(size), '\0');
    file.seekg(0);
    if (!file.read(bytes.data(), std::streamsize(bytes.size())))
        throw Error(concat(path, " cannot be read: ", std::strerror(errno)));
    return bytes;
}

std::pair<std::string, at::Tensor> read_tensor(std::string_view bytes) {
    std::vector<int64_t> dims;
    at::ScalarType type = at::kFloat;
    std::string name;
    std::string_view raw;
    for (Fields f(bytes); f.next();) {
        if (f.field == 1) dims.push_back(int64_t(f.number));
        if (f.field == 2) type = scalar_type(f.number);
        if (f.field == 8) name = f.bytes;
        if (f.field == 9) raw = f.bytes;
    }
    if (bytes_of_shape(dims, c10::elementSize(type)) != raw.size())
        throw Error(concat("the tensor ", name, " is cut"));
    at::Tensor tensor = at::empty(dims, type);
    if (!raw.empty()) std::memcpy(tensor.mutable_data_ptr(), raw.data(), raw.size());
    return {name, tensor};
}

void read_attribute(std::string_view bytes, Node& node) {
    std::string name;
    std::vector<int64_t> list;
    for (Fields f(bytes); f.next();) {
        if (f.field == 1) name = f.bytes;
        if (f.field == 2) {
            float value = 0;
            if (f.bytes.size() != sizeof value)
                throw Error(concat("the attribute ", name, " of the ONNX file is no float"));
            std::memcpy(&value, f.bytes.data(), sizeof value);
            node.floats[name] = value;
        }
        if (f.field == 3) node.ints[name] = int64_t(f.number);
        if (f.field == 8) list.push_back(int64_t(f.number));
    }
    node.lists[name] = list;
}

Node read_node(std::string_view bytes) {
    Node node;
    for (Fields f(bytes); f.next();) {
        if (f.field == 1) node.inputs.emplace_back(f.bytes);
        if (f.field == 2) node.output = f.bytes;
        if (f.field == 4) node.operation = f.bytes;
        if (f.field == 5) read_attribute(f.bytes, node);
    }
    return node;
}

std::string name_of(std::string_view value_info) {
    for (Fields f(value_info); f.next();)
        if (f.field == 1) return std::string(f.bytes);
    return "";
}

// ---- the operators

std::vector<int64_t> numbers(const at::Tensor& tensor) {
    const at::Tensor flat = tensor.contiguous();
    return {flat.const_data_ptr<int64_t>(), flat.const_data_ptr<int64_t>() + flat.numel()};
}

/// The same on both sides, or an error.
std::vector<int64_t> padding(const Node& node, size_t dimensions) {
    const std::vector<int64_t> pads = node.list("pads");
    if (pads.empty()) return std::vector<int64_t>(dimensions, 0);
    if (!std::equal(pads.begin(), pads.begin() + long(dimensions), pads.begin() + long(dimensions)))
        throw Error("the padding differs from side to side");
    return {pads.begin(), pads.begin() + long(dimensions)};
}

at::Tensor convolve(const Node& node, const Values& in, bool transposed) {
    const auto dimensions = size_t(in[0].dim() - 2);
    std::vector<int64_t> none(dimensions, 0);
    return at::convolution(in[0], in[1], in.size() > 2 ? in[2] : at::Tensor(), node.list("strides"),
                           padding(node, dimensions), node.list("dilations"), transposed,
                           transposed ? node.list("output_padding") : none,
                           node.integer("group", 1));
}

at::Tensor max_pool(const Node& node, const Values& in) {
    const auto dimensions = size_t(in[0].dim() - 2);
    const auto pool = dimensions == 1   ? at::max_pool1d
                      : dimensions == 2 ? at::max_pool2d
                                        : at::max_pool3d;
    return pool(in[0], node.list("kernel_shape"), node.list("strides"), padding(node, dimensions),
                node.list("dilations"), node.integer("ceil_mode", 0) != 0);
}

at::Tensor gemm(const Node& node, const Values& in) {
    const at::Tensor b = node.integer("transB", 0) ? in[1].t() : in[1];
    return at::addmm(in[2], in[0], b, node.number("beta", 1), node.number("alpha", 1));
}

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

at::Tensor layer_norm(const Node& node, const Values& in) {
    const int64_t axis = node.integer("axis", -1);
    const auto shape = in[0].sizes().slice(size_t(axis < 0 ? axis + in[0].dim() : axis));
    return at::layer_norm(in[0], shape, in[1], in.size() > 2 ? in[2] : at::Tensor(),
                          node.number("epsilon", 1e-5));
}

at::Tensor clip(const Values& in) {
    const auto bound = [&](size_t i) {
        return i < in.size() && in[i].defined() ? std::optional(in[i].item())
                                                : std::optional<at::Scalar>();
    };
    return at::clamp(in[0], bound(1), bound(2));
}

using Operator = std::function<at::Tensor(const Node&, const Values&)>;

const std::map<std::string, Operator>& operators() {
    static const std::map<std::string, Operator> all = {
        {"Identity", [](auto&, auto& in) { return in[0]; }},
        {"Conv", [](auto& n, auto& in) { return convolve(n, in, false); }},
        {"ConvTranspose", [](auto& n, auto& in) { return convolve(n, in, true); }},
        {"BatchNormalization",
         [](auto& n, auto& in) {
             return at::batch_norm(in[0], in[1], in[2], in[3], in[4], false, 0,
                                   n.number("epsilon", 1e-5), false);
         }},
        {"LayerNormalization", layer_norm},
        {"Gemm", gemm},
        {"MatMul", [](auto&, auto& in) { return at::matmul(in[0], in[1]); }},
        {"MaxPool", max_pool},
        {"AveragePool",
         [](auto& n, auto& in) {
             return at::avg_pool2d(in[0], n.list("kernel_shape"), n.list("strides"),
                                   padding(n, size_t(in[0].dim() - 2)),
                                   n.integer("ceil_mode", 0) != 0,
                                   n.integer("count_include_pad", 0) != 0);
         }},
        {"GlobalAveragePool",
         [](auto&, auto& in) { return at::adaptive_avg_pool2d(in[0], {1, 1}); }},
        {"Add", [](auto&, auto& in) { return in[0] + in[1]; }},
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
        {"Erf", [](auto&, auto& in) { return in[0].erf(); }},
        {"Relu", [](auto&, auto& in) { return in[0].clamp_min(0); }},
        {"Clip", [](auto&, auto& in) { return clip(in); }},
        {"HardSwish",
         [](auto&, auto& in) { return in[0] * (in[0] / 6 + 0.5).clamp(0, 1); }},
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
        {"LogSoftmax", [](auto& n, auto& in) { return in[0].log_softmax(n.integer("axis", -1)); }},
        {"ReduceMean",
         [](auto& n, auto& in) {
             return in[0].mean(n.list("axes"), n.integer("keepdims", 1) != 0);
         }},
        {"ReduceSum",
         [](auto& n, auto& in) {
             return in[0].sum(numbers(in[1]), n.integer("keepdims", 1) != 0);
         }},
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
        {"Cast",
         [](auto& n, auto& in) { return in[0].to(scalar_type(uint64_t(n.integer("to", 1)))); }}};
    return all;
}

}  // namespace

int64_t Node::integer(const std::string& name, int64_t usual) const {
    const auto found = ints.find(name);
    return found == ints.end() ? usual : found->second;
}
double Node::number(const std::string& name, double usual) const {
    const auto found = floats.find(name);
    return found == floats.end() ? usual : found->second;
}
std::vector<int64_t> Node::list(const std::string& name) const {
    const auto found = lists.find(name);
    return found == lists.end() ? std::vector<int64_t>() : found->second;
}

LoadedGraph::LoadedGraph(const std::string& path) {
    const std::string bytes = read_whole(path);
    for (Fields f(bytes); f.next();)
        if (f.field == 7) read_graph(f.bytes);
    if (input_.empty() || output_.empty()) throw Error(concat(path, " is no ONNX model"));
}

void LoadedGraph::read_graph(std::string_view bytes) {
    for (Fields f(bytes); f.next();) {
        if (f.field == 1) nodes_.push_back(read_node(f.bytes));
        if (f.field == 5) tensors_.insert(read_tensor(f.bytes));
        if (f.field == 11 && input_.empty()) input_ = name_of(f.bytes);
        if (f.field == 12 && output_.empty()) output_ = name_of(f.bytes);
    }
}

at::Tensor LoadedGraph::run(const at::Tensor& input) const {
    const at::NoGradGuard no_grad;
    std::map<std::string, at::Tensor> values = tensors_;
    values[input_] = input;
    for (const Node& node : nodes_) {
        Values in;
        for (const std::string& name : node.inputs)
            in.push_back(name.empty() ? at::Tensor() : values.at(name));
        const auto found = operators().find(node.operation);
        if (found == operators().end())
            throw Error(concat("the ONNX operator ", node.operation, " cannot be checked"));
        values[node.output] = found->second(node, in);
    }
    return values.at(output_);
}

}  // namespace ailab::onnx
