#pragma once
#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

namespace ailab::onnx {

/// An ONNX file that is read again and run with ATen, as the operators' definitions say: the check
/// of what was written. Knows the operators that translate() writes; opset 17.
class LoadedGraph {
  public:
    /// Throws Error when the file is no such model.
    explicit LoadedGraph(const std::string& path);

    /// The first output for the first input.
    at::Tensor run(const at::Tensor& input) const;

    struct Node {
        std::string operation;
        std::vector<std::string> inputs;
        std::string output;
        std::map<std::string, double> floats;
        std::map<std::string, int64_t> ints;
        std::map<std::string, std::vector<int64_t>> lists;

        int64_t integer(const std::string& name, int64_t usual) const;
        double number(const std::string& name, double usual) const;
        std::vector<int64_t> list(const std::string& name) const;
    };

  private:
    void read_graph(std::string_view bytes);

    std::vector<Node> nodes_;
    std::map<std::string, at::Tensor> tensors_;
    std::string input_, output_;
};

/// Of a TensorProto.DataType. Throws Error for one that is not read here.
at::ScalarType scalar_type(uint64_t type);

/// The output of one node, of inputs of which some may be left out (undefined). Throws Error for an
/// operator that is not known here.
at::Tensor compute(const LoadedGraph::Node& node, const std::vector<at::Tensor>& inputs);

}  // namespace ailab::onnx
