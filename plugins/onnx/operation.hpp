#pragma once
// From ATen's operations to ONNX's, opset 17 (onnx.ai/onnx/operators), and back: what is written is
// computed once more when a file is checked.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "call.hpp"
#include "reader.hpp"

namespace ailab::onnx {

using Node = LoadedGraph::Node;

/// The ONNX value that the call's output becomes.
using Writer = std::string (*)(Call&);
/// The inputs of a node; one that is left out is undefined.
using Values = std::vector<at::Tensor>;
/// Gives the output of a node.
using Reader = at::Tensor (*)(const Node&, const Values&);

/// Operations of one sort: ATen's, as they are written, and ONNX's, as they are read.
struct Operations {
    std::map<std::string, Writer> writers;
    std::map<std::string, Reader> readers;
};
Operations elementwise();
Operations activations();
Operations layers();
Operations pooling();
Operations shapes();

// ---- for several of them

/// The name of an ONNX operation as a template argument.
template <size_t size>
struct OperationName {
    constexpr OperationName(const char (&text)[size]) { std::copy_n(text, size, name); }
    char name[size];
};
template <OperationName operation>
std::string unary(Call& c) {
    return c.graph.add(operation.name, {c.tensor(0)});
}
std::string identity(Call& c);
/// `value`, of so many dimensions, with two of them exchanged.
std::string transposed(Call& c, const std::string& value, int64_t rank, int64_t a, int64_t b);
/// ints(n): one number stands for all dimensions.
std::vector<int64_t> each(const std::vector<int64_t>& given, size_t dimensions);
std::vector<int64_t> both_sides(const std::vector<int64_t>& padding);

/// Those of a tensor of integers.
std::vector<int64_t> numbers(const at::Tensor& tensor);
/// The same on both sides, or an error.
std::vector<int64_t> padding(const Node& node, size_t dimensions);

}  // namespace ailab::onnx
