#include "recent_scalars.hpp"

#include <ATen/ATen.h>

#include "ailab/error.hpp"

namespace ailab::tensorboard {

void RecentScalars::add(int64_t step, const Scalars& scalars) {
    if (step != step_) scalars_.clear();
    step_ = step;
    scalars_.insert(scalars_.end(), scalars.begin(), scalars.end());
}

State RecentScalars::save() const {
    State state;
    if (scalars_.empty()) return state;
    Node::List tags;
    // A tensor, since JSON has no NaN.
    Tensor values = at::empty({int64_t(scalars_.size())}, at::kDouble);
    for (size_t i = 0; i < scalars_.size(); ++i) {
        tags.push_back(Node::string(scalars_[i].first));
        values.mutable_data_ptr<double>()[i] = scalars_[i].second;
    }
    state.values.set("step", Node(step_));
    state.values.set("tags", Node::list(std::move(tags)));
    state.tensors["values"] = values;
    return state;
}

void RecentScalars::load(const State& state) {
    step_ = -1;
    scalars_.clear();
    const Node* step = state.values.find("step");
    const Node* tags = state.values.find("tags");
    const auto values = state.tensors.find("values");
    if (!step && !tags && values == state.tensors.end()) return;
    const bool fits = step && step->is_int() && tags && tags->is_list() &&
                      values != state.tensors.end() &&
                      values->second.scalar_type() == at::kDouble && values->second.dim() == 1 &&
                      size_t(values->second.size(0)) == tags->items().size();
    if (!fits) throw Error("the checkpoint's state of TensorboardHook is not what it wrote");
    step_ = step->as_int();
    const Tensor numbers = values->second.cpu().contiguous();
    for (size_t i = 0; i < tags->items().size(); ++i)
        scalars_.emplace_back(tags->items()[i].as_string(), numbers.const_data_ptr<double>()[i]);
}

}  // namespace ailab::tensorboard
