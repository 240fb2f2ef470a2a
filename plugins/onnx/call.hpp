#pragma once
#include <torch/csrc/jit/ir/ir.h>

#include <functional>
#include <string>
#include <vector>

#include "graph.hpp"

namespace ailab::onnx {

/// One operation of a traced graph, on its way to ONNX.
class Call {
  public:
    using NameOf = std::function<std::string(const torch::jit::Value*)>;
    /// The weight that a value stands for, or undefined.
    using WeightOf = std::function<at::Tensor(const torch::jit::Value*)>;

    Call(const torch::jit::Node& node, Graph& graph, NameOf name_of, WeightOf weight_of)
        : graph(graph),
          node_(node),
          name_of_(std::move(name_of)),
          weight_of_(std::move(weight_of)) {}

    /// The operation, without the underscore of what writes in place: "aten::relu".
    std::string operation() const;
    size_t size() const { return node_.inputs().size(); }

    // The arguments, by position.
    bool is_none(size_t i) const;
    /// A number that is known, not a tensor.
    bool is_number(size_t i) const;
    /// The ONNX value of a tensor or a number.
    std::string tensor(size_t i) const;
    /// The tensors of a list.
    std::vector<std::string> tensors(size_t i) const;
    int64_t integer(size_t i) const;
    double number(size_t i) const;
    bool flag(size_t i) const { return integer(i) != 0; }
    std::string text(size_t i) const;
    std::vector<int64_t> integers(size_t i) const;
    /// A list of sizes as an ONNX tensor, also where some are the batch's; those below 0 become
    /// `negative`.
    std::string sizes(size_t i, int64_t negative = -1) const;
    /// As the trace has seen it. Throws Error when it has not.
    std::vector<int64_t> shape(size_t i) const;
    int64_t rank(size_t i) const { return int64_t(shape(i).size()); }
    at::ScalarType type(size_t i) const;
    /// A dimension counted from the front.
    int64_t dimension(size_t i, int64_t of_rank) const;

    /// Throws Error: the operation has no counterpart, since …
    [[noreturn]] void refuse(const std::string& why) const;

    Graph& graph;

  private:
    c10::IValue constant(size_t i) const;
    std::string batch_size(const torch::jit::Value* value) const;

    const torch::jit::Node& node_;
    const NameOf name_of_;
    const WeightOf weight_of_;
};

/// The ONNX value that the call's output becomes. Throws Error for an operation without a
/// counterpart here.
std::string translate(Call& call);

}  // namespace ailab::onnx
