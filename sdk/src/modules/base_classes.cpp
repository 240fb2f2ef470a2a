// The out-of-line parts of the SDK's base classes: destructors, so that every plugin sees one type
// information for each, and defaults.
#include <ATen/ATen.h>
#include <c10/util/StringUtil.h>

#include "ailab/backend.hpp"
#include "ailab/comm.hpp"
#include "ailab/device.hpp"
#include "ailab/hook.hpp"
#include "ailab/loss.hpp"
#include "ailab/lr_scheduler.hpp"
#include "ailab/metric.hpp"
#include "ailab/model.hpp"
#include "ailab/optimizer.hpp"
#include "ailab/run.hpp"
#include "ailab/sampler.hpp"
#include "ailab/task.hpp"
#include "ailab/transform.hpp"

namespace ailab {

Stateful::~Stateful() = default;
Model::~Model() = default;
Loss::~Loss() = default;
Metric::~Metric() = default;
Optimizer::~Optimizer() = default;
LrScheduler::~LrScheduler() = default;
Sampler::~Sampler() = default;
Transform::~Transform() = default;
Hook::~Hook() = default;
Backend::~Backend() = default;
Device::~Device() = default;
Comm::~Comm() = default;
Run::~Run() = default;
MeterWindow::~MeterWindow() = default;
StepContext::~StepContext() = default;

const Task& Run::task() {
    static const Task as_it_is;
    return as_it_is;
}

// ---- Model

Tensor Model::forward(const Tensor&) {
    throw Error("the model overrides neither forward() nor forward_batch()");
}

Batch Model::forward_batch(const Batch& given) {
    const std::vector<std::string> in = inputs(), out = outputs();
    if (in.size() != 1 || out.size() != 1)
        throw Error("a model with several inputs or outputs must override forward_batch()");
    return Batch{{out[0], forward(given.tensor(in[0]))}};
}

std::vector<std::pair<std::string, Tensor>> Model::optimizer_parameters(
    const std::string& optimizer) const {
    std::vector<std::pair<std::string, Tensor>> found;
    for (const auto& item : named_parameters(/*recurse=*/true))
        if (item.key().starts_with(optimizer + ".")) found.emplace_back(item.key(), item.value());
    if (found.empty())
        throw Error(concat("optimizer \"", optimizer, "\" has no parameters: the model has no ",
                           "submodule of that name; name one so, or override ",
                           "optimizer_parameters()"));
    return found;
}

void Model::train_step(StepContext&) {
    throw Error("owns_step() is true but train_step() is not overridden");
}

// ---- Loss

Tensor Loss::forward(const Tensor&, const Tensor&) {
    throw Error("the loss overrides neither forward() nor terms()");
}

std::vector<LossTerm> Loss::terms(const Batch& given) {
    const std::vector<std::string> in = inputs();
    if (in.size() != 2) throw Error("a loss with other than two inputs must override terms()");
    LossTerm term{.name = "loss", .sum = forward(given.tensor(in[0]), given.tensor(in[1]))};
    term.is_mean = true;
    return {term};
}

std::vector<std::optional<Tensor>> Loss::target_weights(const Batch&) {
    throw Error("weight_source() is targets but target_weights() is not overridden");
}

// ---- Optimizer

GroupDefaults Optimizer::defaults(const Tensor&) const {
    return {default_lr(), default_weight_decay(), default_momentum()};
}

double Optimizer::scheduled_lr() const {
    const ParamGroup* multiple = nullptr;
    for (const ParamGroup& group : groups_) {
        if (group.lr_mult == 1 && !group.followed_lr) return group.lr;
        if (!multiple && group.lr_mult != 0 && group.initial_lr != 0) multiple = &group;
    }
    if (!multiple) return groups_.empty() ? default_lr() : groups_[0].lr;
    const double base = multiple->followed_lr.value_or(multiple->initial_lr) / multiple->lr_mult;
    return multiple->lr / multiple->initial_lr * base;
}

void Optimizer::step(const std::function<double()>&) {
    throw Error("needs_closure() is true but step(closure) is not overridden");
}

// ---- Metric

void Metric::update(const Tensor&, const Tensor&) {
    throw Error("the metric overrides neither update() nor update_batch()");
}

void Metric::update_batch(const Batch& given) {
    const std::vector<std::string> in = inputs();
    if (in.size() != 2)
        throw Error("a metric with other than two inputs must override update_batch()");
    update(given.tensor(in[0]), given.tensor(in[1]));
}

void Metric::add_state(const std::string& name, at::IntArrayRef shape, at::ScalarType dtype) {
    if (dtype != at::kDouble && dtype != at::kLong)
        throw Error(concat("metric state \"", name, "\" must be float64 or int64, got ",
                           c10::toString(dtype)));
    states_[name] = at::zeros(shape, dtype);
}

Tensor& Metric::state(const std::string& name) {
    return states_.at(name);
}

void Metric::reset() {
    for (auto& [name, tensor] : states_) tensor.zero_();
    for (auto& [name, rows] : rows_) rows.parts.clear();
}

void Metric::add_rows(const std::string& name, at::IntArrayRef row_shape, at::ScalarType dtype) {
    if (dtype != at::kDouble && dtype != at::kLong)
        throw Error(concat("metric rows \"", name, "\" must be float64 or int64, got ",
                           c10::toString(dtype)));
    rows_[name] = {row_shape.vec(), dtype, {}};
}

void Metric::append(const std::string& name, const Tensor& rows) {
    MetricRows& kept = rows_.at(name);
    if (rows.dim() < 1 || rows.sizes().slice(1) != at::IntArrayRef(kept.row_shape))
        throw Error(concat("metric rows \"", name, "\" have the shape [n, …] with ",
                           c10::str(at::IntArrayRef(kept.row_shape)), " a row, got ",
                           c10::str(rows.sizes())));
    if (rows.size(0) > 0) kept.parts.push_back(rows.detach().to(kept.dtype, false, /*copy=*/true));
}

}  // namespace ailab
