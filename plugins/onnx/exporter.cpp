// ONNX: a traced graph, operation by operation.
#include <torch/csrc/jit/ir/constants.h>

#include <unordered_map>

#include "ailab/ailab.hpp"
#include "call.hpp"
#include "reader.hpp"

namespace ailab::onnx {
namespace {

namespace jit = torch::jit;

class Translator {
  public:
    Translator(const TracedModel& traced,
               const std::vector<std::pair<std::string, Tensor>>& weights)
        : traced_(traced), graph_(traced.module.get_method("forward").graph()) {
        for (const auto& [name, tensor] : weights) weights_.emplace(name, tensor);
    }

    std::string translate(const std::map<std::string, std::string>& metadata) {
        size_t number = 0;
        for (const jit::Value* input : graph_->inputs()) {
            if (input->type()->kind() == c10::TypeKind::ClassType) {
                modules_[input] = "";
                continue;
            }
            const std::string& name = traced_.inputs.at(number++);
            names_[input] = name;
            onnx_.add_input(name, type_of(input), open_shape(input));
        }
        for (const jit::Node* node : graph_->nodes()) take(*node);
        const std::vector<const jit::Value*> results = outputs();
        for (size_t i = 0; i < results.size(); ++i) {
            const std::string& name = traced_.outputs.at(i);
            onnx_.add_as(name, "Identity", {name_of(results[i])});
            onnx_.add_output(name, type_of(results[i]), open_shape(results[i]));
        }
        return onnx_.model(metadata);
    }

  private:
    static at::ScalarType type_of(const jit::Value* value) {
        const auto type = value->type()->cast<c10::TensorType>();
        return type && type->scalarType() ? *type->scalarType() : at::kFloat;
    }

    /// The first dimension is the batch.
    static std::vector<int64_t> open_shape(const jit::Value* value) {
        const auto type = value->type()->cast<c10::TensorType>();
        const auto sizes = type ? type->sizes().concrete_sizes() : std::nullopt;
        if (!sizes) throw Error("the shape of the model's inputs and outputs is not known");
        std::vector<int64_t> shape = *sizes;
        if (!shape.empty()) shape[0] = -1;
        return shape;
    }

    std::vector<const jit::Value*> outputs() const {
        const jit::Value* result = graph_->outputs()[0];
        if (result->node()->kind() != c10::prim::TupleConstruct) return {result};
        return {result->node()->inputs().begin(), result->node()->inputs().end()};
    }

    void take(const jit::Node& node) {
        if (node.kind() == c10::prim::GetAttr) return take_attribute(node);
        // These are asked for by who uses them.
        if (node.kind() == c10::prim::Constant || node.kind() == c10::prim::ListConstruct ||
            node.kind() == c10::prim::TupleConstruct ||
            node.output()->type()->kind() == c10::TypeKind::IntType)
            return;
        const auto weight_of = [this](const jit::Value* value) {
            const auto name = names_.find(value);
            const auto weight = name == names_.end() ? weights_.end() : weights_.find(name->second);
            return weight == weights_.end() ? at::Tensor() : weight->second;
        };
        Call call(
            node, onnx_, [this](const jit::Value* value) { return name_of(value); }, weight_of);
        names_[node.output()] = onnx::translate(call);
    }

    void take_attribute(const jit::Node& node) {
        const std::string& module = modules_[node.input()];
        const std::string path = (module.empty() ? "" : module + ".") + node.s(c10::attr::name);
        modules_[node.output()] = path;
        if (const auto weight = weights_.find(path); weight != weights_.end())
            names_[node.output()] = path;
    }

    std::string name_of(const jit::Value* value) {
        const auto known = names_.find(value);
        if (known != names_.end()) {
            const auto weight = weights_.find(known->second);
            return weight == weights_.end() ? known->second
                                            : onnx_.add_tensor(weight->first, weight->second);
        }
        const auto constant = jit::toIValue(value);
        if (constant && constant->isTensor())
            return names_[value] =
                       onnx_.add_tensor(concat("constant_", names_.size()), constant->toTensor());
        throw Error(concat("the value %", value->debugName(),
                           " of the model's graph has no counterpart in ONNX; export to "
                           "torchscript"));
    }

    const TracedModel& traced_;
    const std::shared_ptr<jit::Graph> graph_;
    Graph onnx_;
    std::map<std::string, at::Tensor> weights_;
    std::unordered_map<const jit::Value*, std::string> modules_;  // paths
    std::unordered_map<const jit::Value*, std::string> names_;
};

class Onnx final : public Exporter {
  public:
    double tolerance() const override { return 1e-4; }

    std::string write(TrainedModel& model, const Tensor& example,
                      const std::string& path) const override {
        std::string doubt;
        const TracedModel traced = model.trace(example, doubt);
        NewModelFile file(path);
        file.write(
            Translator(traced, model.weights()).translate({{"ailab.spec", model.description()}}));
        file.finish();
        return doubt;
    }

    TrainedModel::Forward read(const TrainedModel&, const std::string& path) const override {
        const auto graph = std::make_shared<const LoadedGraph>(path);
        return [graph](const Tensor& input) { return graph->run(input); };
    }
};

}  // namespace

AILAB_REGISTER_EXPORTER(Onnx, "onnx", "the model's graph for other runtimes, opset 17")

}  // namespace ailab::onnx
