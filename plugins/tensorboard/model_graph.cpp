#include "model_graph.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "ailab/support/protobuf.hpp"
#include "ailab/support/trace.hpp"

namespace ailab::tensorboard {
namespace {

namespace jit = torch::jit;
using wire::Message;

/// Writes the nodes of a traced graph. Names are paths: TensorBoard folds them at the slashes.
class GraphWriter {
  public:
    explicit GraphWriter(const Model& model) : outputs_(model.outputs_in(Phase::test)) {
        for (const auto& item : model.named_parameters())
            sizes_[item.key()] = item.value().sizes().vec();
        for (const auto& item : model.named_buffers())
            sizes_[item.key()] = item.value().sizes().vec();
    }

    std::string write(const jit::Graph& graph) {
        for (const jit::Value* input : graph.inputs()) {
            if (is_module(input))
                modules_[input] = "";
            else
                add_value(unique("input/" + input->debugNameBase()), "Placeholder", input);
        }
        for (const jit::Node* node : graph.nodes()) write(*node);
        const auto results = results_of(graph);
        for (size_t i = 0; i < results.size(); ++i) {
            const std::string name = i < outputs_.size() ? outputs_[i] : std::to_string(i);
            add(unique("output/" + name), "Output", producers(results[i]), std::vector<Message>());
        }
        constexpr int producer = 22;  // of GraphDefs of this form
        graph_.add(4, Message().add(1, producer));
        return graph_.bytes();
    }

  private:
    static bool is_module(const jit::Value* value) {
        return value->type()->kind() == c10::TypeKind::ClassType;
    }
    /// Several outputs are one tuple.
    static at::ArrayRef<const jit::Value*> results_of(const jit::Graph& graph) {
        const jit::Value* result = graph.outputs()[0];
        const bool several = result->node()->kind() == c10::prim::TupleConstruct;
        return several ? result->node()->inputs() : graph.outputs();
    }
    static bool is_tensor(const jit::Value* value) {
        return value->type()->kind() == c10::TypeKind::TensorType;
    }

    void write(const jit::Node& node) {
        if (node.kind() == c10::prim::GetAttr) {
            write_attribute(node);
        } else if (node.kind() == c10::prim::Constant) {
            // Numbers that operations are given (strides) would hide the graph.
            if (is_tensor(node.output())) add_value(unique("constant"), "Const", node.output());
        } else if (node.kind() == c10::prim::ListConstruct ||
                   node.kind() == c10::prim::TupleConstruct) {
            for (const jit::Value* item : node.inputs())
                for (const std::string& name : producers(item))
                    lists_[node.output()].push_back(name);
        } else {
            write_operation(node);
        }
    }

    /// A submodule, or a parameter or buffer of one.
    void write_attribute(const jit::Node& node) {
        const std::string& module = modules_[node.input()];
        const std::string path = (module.empty() ? "" : module + ".") + node.s(c10::attr::name);
        if (is_module(node.output())) {
            modules_[node.output()] = path;
            return;
        }
        const auto sizes = sizes_.find(path);
        names_[node.output()] = unique(folded(path));
        const Message shape = sizes == sizes_.end() ? unknown_shape() : shape_of(sizes->second);
        add(names_[node.output()], "Parameter", {}, std::vector<Message>{shape});
        owners_[node.output()] = module;
    }

    void write_operation(const jit::Node& node) {
        std::vector<std::string> inputs;
        std::string module;
        for (const jit::Value* input : node.inputs()) {
            for (const std::string& name : producers(input)) inputs.push_back(name);
            const auto owner = owners_.find(input);
            if (module.empty() && owner != owners_.end()) module = owner->second;
        }
        const std::string name = node.kind().toUnqualString();
        add(unique(module.empty() ? name : folded(module) + "/" + name), node.kind().toQualString(),
            inputs, node.outputs());
    }

    std::string unique(const std::string& wanted) {
        const int count = uses_[wanted]++;
        if (count == 0) return wanted;
        return unique(wanted + "_" + std::to_string(count));
    }

    /// The nodes that a value comes from; none for numbers.
    std::vector<std::string> producers(const jit::Value* value) const {
        if (const auto list = lists_.find(value); list != lists_.end()) return list->second;
        const auto found = names_.find(value);
        if (found == names_.end()) return {};
        return {found->second};
    }

    void add_value(const std::string& name, const std::string& operation, const jit::Value* value) {
        add(name, operation, {}, at::ArrayRef<const jit::Value*>(value));
    }
    void add(const std::string& name, const std::string& operation,
             const std::vector<std::string>& inputs, at::ArrayRef<const jit::Value*> outputs) {
        std::vector<Message> shapes;
        for (size_t i = 0; i < outputs.size(); ++i) {
            names_[outputs[i]] = i == 0 ? name : name + ":" + std::to_string(i);
            shapes.push_back(shape_of(*outputs[i]));
        }
        add(name, operation, inputs, shapes);
    }
    void add(const std::string& name, const std::string& operation,
             const std::vector<std::string>& inputs, const std::vector<Message>& shapes) {
        Message node = Message().add(1, name).add(2, operation);
        for (const std::string& input : inputs) node.add(3, input);
        Message list;
        for (const Message& shape : shapes) list.add(7, shape);
        node.add(5, Message().add(1, "_output_shapes").add(2, Message().add(1, list)));
        graph_.add(1, node);
    }

    // TensorShapeProtos.
    static Message unknown_shape() { return Message().add(3, true); }
    static Message shape_of(const std::vector<int64_t>& sizes) {
        Message shape;
        for (const int64_t size : sizes) shape.add(2, Message().add(1, size));
        return shape;
    }
    static Message shape_of(const jit::Value& value) {
        const auto type = value.type()->cast<c10::TensorType>();
        const auto sizes = type ? type->sizes().concrete_sizes() : std::nullopt;
        return sizes ? shape_of(*sizes) : unknown_shape();
    }

    /// "layer1.0.conv1" as a path: "layer1/0/conv1".
    static std::string folded(std::string path) {
        std::replace(path.begin(), path.end(), '.', '/');
        return path;
    }

    const std::vector<std::string> outputs_;
    std::map<std::string, std::vector<int64_t>> sizes_;  // of parameters and buffers
    Message graph_;
    std::map<std::string, int> uses_;
    std::unordered_map<const jit::Value*, std::string> modules_;  // paths of modules
    std::unordered_map<const jit::Value*, std::string> owners_;   // of parameters: their modules
    std::unordered_map<const jit::Value*, std::string> names_;
    std::unordered_map<const jit::Value*, std::vector<std::string>> lists_;
};

}  // namespace

std::string model_graph(Model& model, const Batch& inputs) {
    const TracedModel traced = trace_model(model, first_samples(inputs, 1));
    return GraphWriter(model).write(*traced.module.get_method("forward").graph());
}

}  // namespace ailab::tensorboard
