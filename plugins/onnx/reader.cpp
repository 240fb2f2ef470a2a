#include "reader.hpp"

#include <ATen/ATen.h>

#include <cstring>
#include <limits>

#include "ailab/error.hpp"
#include "ailab/support/regular_file.hpp"
#include "ailab/support/tensor_size.hpp"

namespace ailab::onnx {
namespace {

using Node = LoadedGraph::Node;

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

}  // namespace

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
    const std::string bytes = read_regular_file(path, std::numeric_limits<uint64_t>::max());
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
        std::vector<at::Tensor> in;
        for (const std::string& name : node.inputs)
            in.push_back(name.empty() ? at::Tensor() : values.at(name));
        values[node.output] = compute(node, in);
    }
    return values.at(output_);
}

}  // namespace ailab::onnx
