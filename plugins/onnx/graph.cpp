#include "graph.hpp"

#include <ATen/ATen.h>

#include "ailab/abi.hpp"
#include "ailab/error.hpp"

namespace ailab::onnx {
namespace {

using wire::Message;

// Field numbers of onnx.proto.
namespace model_field {
constexpr int ir = 1, producer = 2, producer_version = 3, graph = 7, opset = 8, metadata = 14;
}
namespace graph_field {
constexpr int node = 1, name = 2, initializer = 5, input = 11, output = 12;
}

Message value_info(const std::string& name, at::ScalarType type, const std::vector<int64_t>& dims) {
    Message shape;
    for (const int64_t dim : dims)
        shape.add(1, dim < 0 ? Message().add(2, "N") : Message().add(1, dim));
    const Message tensor = Message().add(1, data_type(type)).add(2, shape);
    return Message().add(1, name).add(2, Message().add(1, tensor));
}

Message tensor_proto(const std::string& name, const at::Tensor& tensor) {
    const at::Tensor flat = tensor.contiguous(at::MemoryFormat::Contiguous);
    Message proto;
    for (const int64_t dim : flat.sizes()) proto.add(1, dim);
    proto.add(2, data_type(flat.scalar_type())).add(8, name);
    proto.add(9, std::string_view(static_cast<const char*>(flat.const_data_ptr()), flat.nbytes()));
    return proto;
}

Message attribute_proto(const std::string& name, const Attribute& value) {
    constexpr int of_float = 1, of_int = 2, of_string = 3, of_ints = 7;  // AttributeType
    Message proto = Message().add(1, name);
    if (const auto* number = std::get_if<double>(&value))
        return proto.add(2, float(*number)).add(20, of_float);
    if (const auto* number = std::get_if<int64_t>(&value))
        return proto.add(3, *number).add(20, of_int);
    if (const auto* text = std::get_if<std::string>(&value))
        return proto.add(4, *text).add(20, of_string);
    for (const int64_t item : std::get<std::vector<int64_t>>(value)) proto.add(8, item);
    return proto.add(20, of_ints);
}

}  // namespace

int64_t data_type(at::ScalarType type) {
    switch (type) {
        case at::kFloat:
            return 1;
        case at::kByte:
            return 2;
        case at::kInt:
            return 6;
        case at::kLong:
            return 7;
        case at::kBool:
            return 9;
        case at::kDouble:
            return 11;
        default:
            throw Error(concat("a tensor of ", c10::toString(type), " has no counterpart in ONNX"));
    }
}

void Graph::add_input(const std::string& name, at::ScalarType type,
                      const std::vector<int64_t>& dims) {
    inputs_.add(graph_field::input, value_info(name, type, dims));
}

void Graph::add_output(const std::string& name, at::ScalarType type,
                       const std::vector<int64_t>& dims) {
    outputs_.add(graph_field::output, value_info(name, type, dims));
}

std::string Graph::add_tensor(const std::string& name, const at::Tensor& tensor) {
    if (!std::exchange(known_[name], true))
        tensors_.add(graph_field::initializer, tensor_proto(name, tensor));
    return name;
}

std::string Graph::add_ints(const std::vector<int64_t>& values) {
    std::string name = "ints";
    for (const int64_t value : values) name += concat("_", value);
    return add_tensor(name, at::tensor(at::IntArrayRef(values), at::kLong));
}

std::string Graph::add_number(double value, at::ScalarType type) {
    return add_tensor(concat("number_", count_++), at::scalar_tensor(value, type));
}

void Graph::add_as(const std::string& output, const std::string& operation,
                   const std::vector<std::string>& inputs, const Attributes& attributes) {
    Message node;
    for (const std::string& input : inputs) node.add(1, input);
    node.add(2, output).add(3, concat("node_", output)).add(4, operation);
    for (const auto& [name, value] : attributes) node.add(5, attribute_proto(name, value));
    nodes_.add(graph_field::node, node);
}

std::string Graph::add(const std::string& operation, const std::vector<std::string>& inputs,
                       const Attributes& attributes) {
    const std::string output = concat("value_", count_++);
    add_as(output, operation, inputs, attributes);
    return output;
}

std::string Graph::model(const std::map<std::string, std::string>& metadata) const {
    // Messages that are all fields of the graph may follow one another.
    const std::string graph = nodes_.bytes() + Message().add(graph_field::name, "ailab").bytes() +
                              tensors_.bytes() + inputs_.bytes() + outputs_.bytes();
    constexpr size_t most = (size_t{1} << 31) - (1 << 20);
    if (graph.size() > most)
        throw Error(
            "the model is over 2 GB, more than one ONNX file can hold; export it to "
            "torchscript or safetensors");
    Message model;
    model.add(model_field::ir, ir_version).add(model_field::producer, "ailab");
    model.add(model_field::producer_version, AILAB_VERSION);
    model.add(model_field::graph, std::string_view(graph));
    model.add(model_field::opset, Message().add(1, "").add(2, opset_version));
    for (const auto& [key, value] : metadata)
        model.add(model_field::metadata, Message().add(1, key).add(2, value));
    return model.bytes();
}

}  // namespace ailab::onnx
