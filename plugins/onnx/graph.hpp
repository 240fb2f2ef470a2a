#pragma once
// ONNX's protobuf messages (github.com/onnx/onnx/blob/main/onnx/onnx.proto), as much of them as is
// written here.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ailab/support/protobuf.hpp"

namespace ailab::onnx {

inline constexpr int64_t ir_version = 8;
inline constexpr int64_t opset_version = 17;

using Attribute = std::variant<int64_t, double, std::string, std::vector<int64_t>>;
using Attributes = std::vector<std::pair<std::string, Attribute>>;

/// A graph that grows node by node. Values are known by their names.
class Graph {
  public:
    /// dims: -1 is the batch, whose size is left open.
    void add_input(const std::string& name, at::ScalarType type, const std::vector<int64_t>& dims);
    void add_output(const std::string& name, at::ScalarType type, const std::vector<int64_t>& dims);
    /// A weight or a constant; the same name twice is the same tensor.
    std::string add_tensor(const std::string& name, const at::Tensor& tensor);
    std::string add_ints(const std::vector<int64_t>& values);
    /// A number of that type, without dimensions.
    std::string add_number(double value, at::ScalarType type);
    /// A node with one output, whose name is returned; "" stands for an input that is left out.
    std::string add(const std::string& operation, const std::vector<std::string>& inputs,
                    const Attributes& attributes = {});
    /// The same under a name that is given.
    void add_as(const std::string& output, const std::string& operation,
                const std::vector<std::string>& inputs, const Attributes& attributes = {});

    /// The bytes of a ModelProto. Throws Error over protobuf's limit of 2 GB.
    std::string model(const std::map<std::string, std::string>& metadata) const;

  private:
    wire::Message nodes_, tensors_, inputs_, outputs_;
    std::map<std::string, bool> known_;  // tensors by name
    int64_t count_ = 0;
};

/// TensorProto.DataType. Throws Error for what ONNX models here have not.
int64_t data_type(at::ScalarType type);

}  // namespace ailab::onnx
