#include "recompute.hpp"

#include <ATen/ATen.h>
#include <ATen/SequenceNumber.h>
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/accumulate_grad.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <torch/csrc/jit/frontend/tracer.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "ailab/error.hpp"
#include "ailab/log.hpp"
#include "block_state.hpp"
#include "host/error_context.hpp"

namespace ailab {

namespace {

namespace autograd = torch::autograd;
using detail::BlockBody;

thread_local bool recomputing = false;

/// Sets a flag of the thread while it lives.
class Recomputing {
  public:
    Recomputing() : before_(std::exchange(recomputing, true)) {}
    ~Recomputing() { recomputing = before_; }
    Recomputing(const Recomputing&) = delete;
    Recomputing& operator=(const Recomputing&) = delete;

  private:
    const bool before_;
};

/// While it lives, autocast keeps no converted weights. What a block converts in the forward pass
/// goes with the block, and a converted weight of before the block is no part of its graph.
class WithoutWeightCache {
  public:
    WithoutWeightCache() : before_(at::autocast::is_autocast_cache_enabled()) {
        at::autocast::set_autocast_cache_enabled(false);
    }
    ~WithoutWeightCache() { at::autocast::set_autocast_cache_enabled(before_); }
    WithoutWeightCache(const WithoutWeightCache&) = delete;
    WithoutWeightCache& operator=(const WithoutWeightCache&) = delete;

  private:
    const bool before_;
};

/// While it lives, users' hooks on the gradients of these tensors are not called: the outer
/// backward pass calls them, with the whole gradient.
class WithoutTensorHooks {
  public:
    explicit WithoutTensorHooks(const std::vector<Tensor>& tensors) {
        for (const Tensor& tensor : tensors) {
            auto& hooks = autograd::impl::hooks(tensor);
            if (hooks.empty()) continue;
            tensors_.push_back(tensor);
            hooks_.emplace_back().swap(hooks);
        }
    }
    ~WithoutTensorHooks() {
        for (size_t i = 0; i < tensors_.size(); ++i)
            hooks_[i].swap(autograd::impl::hooks(tensors_[i]));
    }
    WithoutTensorHooks(const WithoutTensorHooks&) = delete;
    WithoutTensorHooks& operator=(const WithoutTensorHooks&) = delete;

  private:
    std::vector<Tensor> tensors_;
    std::vector<std::vector<std::unique_ptr<autograd::FunctionPreHook>>> hooks_;
};

std::string label_of(const BlockBody& body) {
    return concat("a block of ", body.module().name(), " under runtime.recompute");
}

[[noreturn]] void refuse_change_of_input(const BlockBody& body) {
    throw Error(concat(label_of(body),
                       ": it changes an input in place, so it cannot be run again. Let it work on "
                       "a result of its own"));
}

/// The first place of the tensor at `place`.
size_t first_of(const std::vector<Tensor>& tensors, size_t place) {
    size_t first = 0;
    while (!tensors[first].is_same(tensors[place])) ++first;
    return first;
}

/// Leaves in place of the inputs, so that the block's graph ends there. One tensor in several
/// places is one leaf: its gradients are added as they would be without a block.
std::vector<Tensor> as_leaves(const std::vector<Tensor>& inputs) {
    std::vector<Tensor> leaves;
    for (size_t i = 0; i < inputs.size(); ++i) {
        const size_t first = first_of(inputs, i);
        if (!inputs[i].defined() || first < i) {
            leaves.push_back(inputs[i].defined() ? leaves[first] : Tensor());
            continue;
        }
        leaves.push_back(inputs[i].detach());
        if (inputs[i].requires_grad()) leaves.back().set_requires_grad(true);
    }
    return leaves;
}

/// The parameters that these outputs depend on: the leaves of their graph but for `inputs`. Nodes
/// of before `begin` are none of the block's: their gradients would be lost without a word.
std::vector<Tensor> parameters_below(const std::vector<Tensor>& outputs,
                                     const std::vector<Tensor>& inputs, uint64_t begin,
                                     const BlockBody& body) {
    std::vector<Tensor> parameters;
    std::unordered_set<autograd::Node*> seen;
    std::vector<autograd::Node*> waiting;
    const auto look_at = [&](autograd::Node* node) {
        if (node && seen.insert(node).second) waiting.push_back(node);
    };
    for (const Tensor& output : outputs)
        if (output.defined() && output.requires_grad())
            look_at(autograd::impl::gradient_edge(output).function.get());
    while (!waiting.empty()) {
        autograd::Node* const node = waiting.back();
        waiting.pop_back();
        if (const auto* leaf = dynamic_cast<autograd::AccumulateGrad*>(node)) {
            const auto same = [&](const Tensor& input) { return input.is_same(leaf->variable); };
            if (std::none_of(inputs.begin(), inputs.end(), same))
                parameters.push_back(leaf->variable);
            continue;
        }
        if (node->sequence_nr() < begin)
            throw Error(concat(label_of(body),
                               ": it uses an activation that is none of its inputs (", node->name(),
                               " made it), so nothing before that would be trained. Pass it to "
                               "ailab::block as an input"));
        for (const autograd::Edge& edge : node->next_edges()) look_at(edge.function.get());
    }
    return parameters;
}

/// Hands gradients to the outputs of a graph and forgets them, as the nodes behind a block do. A
/// root of autograd::grad() would hold its gradient until the end; sums with it would then be made
/// in memory of their own, which may be laid out in another way, and convolutions choose by that.
class Feed final : public autograd::Node {
  public:
    Feed(autograd::edge_list&& outputs, std::vector<Tensor> gradients)
        : Node(std::move(outputs)), gradients_(std::move(gradients)) {}
    autograd::variable_list apply(autograd::variable_list&&) override {
        return std::move(gradients_);
    }

  private:
    std::vector<Tensor> gradients_;
};

/// A block in the graph of the outer backward pass.
class BlockNode final : public autograd::Node {
  public:
    struct Made {
        std::shared_ptr<BlockBody> body;
        BlockState state;
        std::vector<Tensor> inputs;
        std::vector<Tensor> parameters;
    };
    /// Gives those of `outputs` that have a graph this node in place of it.
    static std::vector<Tensor> attach(Made made, const std::vector<Tensor>& outputs) {
        const std::shared_ptr<BlockNode> node(new BlockNode(std::move(made)), autograd::deleteNode);
        std::vector<Tensor> attached;
        for (size_t i = 0; i < outputs.size(); ++i) {
            attached.push_back(outputs[i]);
            if (!outputs[i].defined() || !outputs[i].requires_grad()) continue;
            attached.back() = outputs[i].detach();
            autograd::set_history(attached.back(), node);
            node->outputs_.push_back(i);
        }
        node->output_count_ = outputs.size();
        return attached;
    }

    std::string name() const override { return "Block"; }
    autograd::variable_list apply(autograd::variable_list&& gradients) override;
    void release_variables() override {
        for (autograd::SavedVariable& input : inputs_) input.reset_data();
    }

  private:
    explicit BlockNode(Made made)
        : body_(std::move(made.body)),
          state_(std::move(made.state)),
          parameters_(std::move(made.parameters)) {
        autograd::edge_list edges;
        for (size_t i = 0; i < made.inputs.size(); ++i) {
            const Tensor& input = made.inputs[i];
            inputs_.emplace_back(input, /*is_output=*/false);
            const bool wants_gradient =
                input.defined() && input.requires_grad() && first_of(made.inputs, i) == i;
            edges.push_back(wants_gradient ? autograd::impl::gradient_edge(input)
                                           : autograd::Edge());
        }
        for (const Tensor& parameter : parameters_) {
            versions_.push_back(parameter._version());
            edges.push_back(autograd::impl::gradient_edge(parameter));
        }
        set_next_edges(std::move(edges));
    }

    std::vector<Tensor> run_again(const std::vector<Tensor>& inputs) const;
    void check_parameters() const;

    const std::shared_ptr<BlockBody> body_;
    const BlockState state_;
    std::vector<autograd::SavedVariable> inputs_;
    const std::vector<Tensor> parameters_;
    std::vector<int64_t> versions_;  // of the parameters
    std::vector<size_t> outputs_;    // those that gradients come for
    size_t output_count_ = 0;
};

void BlockNode::check_parameters() const {
    for (size_t i = 0; i < parameters_.size(); ++i)
        if (parameters_[i]._version() != versions_[i])
            throw Error(concat(label_of(*body_), ": a parameter of shape ",
                               c10::str(parameters_[i].sizes()),
                               " was changed between the forward and the backward pass"));
}

std::vector<Tensor> BlockNode::run_again(const std::vector<Tensor>& inputs) const {
    const BlockState::Surroundings surroundings(state_);
    const at::AutoGradMode with_graph(true);
    const Recomputing flag;
    BlockScope scope(recomputation());
    std::vector<Tensor> outputs = body_->run(inputs);
    bool same = outputs.size() == output_count_;
    for (size_t n = 0; same && n < outputs_.size(); ++n) {
        const Tensor& output = outputs[outputs_[n]];
        const autograd::InputMetadata& first = input_metadata(n);
        same = output.defined() && output.requires_grad() && output.dtype() == first.dtype() &&
               first.is_same_shape(output);
    }
    if (!same)
        throw Error(concat(label_of(*body_),
                           ": run again it returned other outputs. Its function must depend on its "
                           "inputs, parameters, buffers and the default generators alone"));
    return outputs;
}

autograd::variable_list BlockNode::apply(autograd::variable_list&& gradients) {
    if (at::GradMode::is_enabled())
        throw Error(concat(label_of(*body_),
                           ": a gradient through it is to be derived in its turn (create_graph), "
                           "for which activations must be kept. Leave runtime.recompute out"));
    std::vector<Tensor> inputs;
    for (const autograd::SavedVariable& input : inputs_) inputs.push_back(input.unpack());
    check_parameters();
    inputs = as_leaves(inputs);

    const BlockState::Modules modules(state_);
    autograd::edge_list edges;
    std::vector<Tensor> given;
    Tensor root;
    {
        const std::vector<Tensor> outputs = run_again(inputs);
        for (size_t n = 0; n < outputs_.size(); ++n) {
            if (!gradients[n].defined()) continue;
            if (!root.defined()) root = gradients[n].new_zeros({});
            edges.push_back(autograd::impl::gradient_edge(outputs[outputs_[n]]));
            given.push_back(std::move(gradients[n]));
        }
    }
    autograd::variable_list derived(num_outputs());
    std::vector<Tensor> sources = std::move(inputs);
    sources.insert(sources.end(), parameters_.begin(), parameters_.end());
    std::vector<size_t> wanted;
    for (size_t i = 0; i < sources.size(); ++i)
        if (sources[i].defined() && sources[i].requires_grad() && task_should_compute_output(i))
            wanted.push_back(i);
    if (given.empty() || wanted.empty()) return derived;
    std::vector<Tensor> wanted_sources;
    for (const size_t i : wanted) wanted_sources.push_back(sources[i]);
    autograd::set_history(root, std::shared_ptr<Feed>(new Feed(std::move(edges), std::move(given)),
                                                      autograd::deleteNode));
    const WithoutTensorHooks without_hooks(parameters_);
    const std::vector<Tensor> found =
        autograd::grad({root}, wanted_sources, {}, /*retain_graph=*/false,
                       /*create_graph=*/false, /*allow_unused=*/true);
    for (size_t i = 0; i < wanted.size(); ++i) derived[wanted[i]] = found[i];
    return derived;
}

class Recomputation final : public BlockPolicy {
  public:
    std::vector<Tensor> run(const std::shared_ptr<BlockBody>& body,
                            const std::vector<Tensor>& inputs) override;
};

std::vector<Tensor> Recomputation::run(const std::shared_ptr<BlockBody>& body,
                                       const std::vector<Tensor>& inputs) {
    if (!at::GradMode::is_enabled() || torch::jit::tracer::isTracing()) return body->run(inputs);
    c10::DeviceType device = c10::kCPU;
    std::vector<int64_t> versions;
    for (const Tensor& input : inputs) {
        versions.push_back(input.defined() ? input._version() : 0);
        if (input.defined() && !input.is_cpu()) device = input.device().type();
    }
    BlockState state(body->module(), device);
    const std::vector<Tensor> leaves = as_leaves(inputs);
    const uint64_t begin = at::sequence_number::peek();
    // With a graph, which is dropped: so operations choose the kernels that they choose the second
    // time, and the graph tells what the outputs depend on.
    std::vector<Tensor> outputs;
    try {
        const WithoutWeightCache without_cache;
        outputs = body->run(leaves);
    } catch (const c10::Error& error) {
        if (short_message(error).find("used in an in-place operation") == std::string::npos) throw;
        refuse_change_of_input(*body);
    }
    for (size_t i = 0; i < inputs.size(); ++i)
        if (inputs[i].defined() && inputs[i]._version() != versions[i])
            refuse_change_of_input(*body);
    const auto has_graph = [](const Tensor& output) {
        return output.defined() && output.requires_grad();
    };
    if (std::none_of(outputs.begin(), outputs.end(), has_graph)) return outputs;
    std::vector<Tensor> parameters = parameters_below(outputs, leaves, begin, *body);
    state.forget_constants();
    return BlockNode::attach({body, std::move(state), inputs, std::move(parameters)}, outputs);
}

}  // namespace

BlockPolicy& recomputation() {
    static Recomputation policy;
    return policy;
}

bool is_recomputing() {
    return recomputing;
}

Recompute::Section::Section(Recompute* recompute) : recompute_(recompute) {
    if (recompute_) scope_.emplace(recomputation());
}

void Recompute::Section::done() const {
    if (!recompute_ || recompute_->told_) return;
    recompute_->told_ = true;
    if (scope_->blocks() > 0)
        log_info("recompute: ", recompute_->model_, " runs ", scope_->blocks(),
                 scope_->blocks() == 1 ? " block" : " blocks",
                 " a forward pass, whose activations are computed again in the backward pass");
    else
        log_warning("runtime.recompute has no effect: ", recompute_->model_,
                    " runs no block. What it repeats is to go through ailab::block "
                    "(ailab/block.hpp)");
}

}  // namespace ailab
