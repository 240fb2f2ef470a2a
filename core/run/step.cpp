// The training step: forward, loss, backward, accumulate, reduce, clip, step.
#include <ATen/ATen.h>

#include <cmath>
#include <utility>

#include "ailab/log.hpp"
#include "ailab/random.hpp"
#include "error_context.hpp"
#include "gradients.hpp"
#include "model_step.hpp"
#include "runner.hpp"

namespace ailab {

/// The framework's generator (dropout) depends on the step, the iteration in it and the rank alone,
/// so resuming needs no replay.
void Runner::seed_step() {
    const int64_t micro = progress_.iter - window_.begin;
    Philox random(config_.seed + uint64_t(micro) * 0x9e3779b97f4a7c15,
                  uint64_t(workflow_.position().step), uint64_t(job_.rank()));
    device_.seed(random.next64());
}

/// The iterations from here to the next step. A window never reaches over the end of its phase.
void Runner::begin_window(const PhaseData& data) {
    const Loader& loader = *data.loader;
    const BatchPlan& plan = loader.plan();
    window_.begin = progress_.iter;
    window_.end = std::min(window_.begin + config_.accumulative_counts, progress_.iters);
    window_.dealt = 0;
    for (int64_t i = 0; i < window_.end - window_.begin; ++i)
        window_.dealt += plan.slice((loader.iteration() + i) % plan.iterations()).global_size;
    window_.samples = window_.dealt = std::max<int64_t>(1, window_.dealt);
    window_.own = 0;
    backward_.begin();
}

void Runner::own_step() {
    ModelStep step(*this);
    const Recompute::Section blocks(forward_.recompute());
    try {
        modules_.model->train_step(step);
        step.finish();
        if (batch_.size > 0) blocks.done();
    } catch (...) {
        rethrow_with(concat(forward_.model_label(), ", train_step"));
    }
}

void Runner::shared_step() {
    ParameterUpdate& update = *modules_.updates.at("");
    if (update.optimizer().needs_closure()) return closure_step(update);
    const bool last = progress_.iter + 1 == window_.end;
    if (progress_.iter == window_.begin) update.begin();
    compute_gradients(update, last);
    hooks_.call(*this, after_backward_);
    if (!last) return;
    reduce_gradients(update, 0, /*by_samples=*/true);
    check_unused(update);
    finish_step(update,
                [&] { update.optimizer().step({}, scaler_ ? scaler_->found_inf() : Tensor()); });
    tell_if_nothing_counts();
    backward_.tell_loss();
}

/// Sums the gradients over the ranks, and with them what signals ask, this rank's share of the
/// loss, and how many samples there are. Returns the whole loss. `by_samples`: gradients and loss
/// were divided by the number of samples that was known.
double Runner::reduce_gradients(ParameterUpdate& update, double share, bool by_samples) {
    std::vector<double> numbers = own_requests();
    const size_t requests = numbers.size();
    numbers.insert(numbers.end(), {double(window_.own), share});
    const std::vector<double> sums = update.reduce(numbers);
    note_requests(sums);
    const double loss = sums[requests + 1];
    // Which samples were broken is known on their rank alone until now.
    const int64_t divided_by = std::exchange(window_.samples, std::llround(sums[requests]));
    if (!by_samples || window_.samples == divided_by || window_.samples == 0) return loss;
    const at::NoGradGuard no_grad;
    const double correction = double(divided_by) / double(window_.samples);
    if (std::vector<Tensor> gradients = gradients_of(update.parameters()); !gradients.empty())
        at::_foreach_mul_(gradients, correction);
    return loss * correction;
}

/// For an optimizer that evaluates the loss several times.
void Runner::closure_step(ParameterUpdate& update) {
    std::optional<double> first;
    const auto evaluate = [&] {
        if (first) return *std::exchange(first, std::nullopt);
        update.begin();
        seed_step();  // the same dropout each time
        compute_gradients(update, /*last=*/true);
        hooks_.call(*this, after_backward_);
        const double loss = reduce_gradients(update, backward_.share(), /*by_samples=*/true);
        check_unused(update);
        return loss;
    };
    first = evaluate();
    finish_step(update, [&] { update.optimizer().step(evaluate); });
    tell_if_nothing_counts();
}

void Runner::compute_gradients(ParameterUpdate& update, bool last) {
    backward_.run(batch_, update, last, scaler_ ? scaler_->scale() : Tensor());
    if (!windows_[size_t(Phase::train)].empty()) backward_.record(*this);
}

/// The part of a step that follows the reduction; `step` is the optimizer's.
void Runner::finish_step(ParameterUpdate& update, const std::function<void()>& step) {
    gradient_watch_.note();
    if (std::exchange(looks_at_registered_, false)) check_registered();
    std::vector<Tensor> gradients;
    if (scaler_) {
        gradients = gradients_of(update.parameters());
        scaler_->unscale(gradients);
        record("overflow", scaler_->found_inf(), double(window_.samples));
    }
    stepping_ = &update;
    grad_norm_ = Tensor();
    skip_reason_ = window_.samples == 0 ? "none of its samples can be used" : "";
    hooks_.call(*this, before_step_);
    job_.doing("the optimizer's step");
    clip(update);
    if (skip_reason_.empty()) step();
    if (scaler_) scaler_->update();
    hooks_.call(*this, after_step_);
    stepping_ = nullptr;
    update.drop_gradients();
}

void Runner::clip(ParameterUpdate& update) {
    const ClipConfig& config = config_.clip_grad;
    if (!config.max_norm && !config.max_value) return;
    const at::NoGradGuard no_grad;
    std::vector<Tensor> gradients = gradients_of(update.parameters());
    if (gradients.empty()) return;
    if (config.max_norm) {
        const bool known = config.norm_type == 2 && grad_norm_.defined();
        const Tensor norm = known ? grad_norm_ : norm_of(gradients, config.norm_type);
        if (config.norm_type == 2) grad_norm_ = norm;
        clip_norm(gradients, norm, *config.max_norm);
        if (skip_reason_.empty()) record_of_step("grad_norm", norm);
    }
    if (config.max_value) clip_value(gradients, *config.max_value);
}

/// Records a scalar of the step if it is taken: float16 gradients may have overflowed.
void Runner::record_of_step(const std::string& name, const Tensor& value) {
    const auto weight = double(window_.samples);
    if (!scaler_) return record(name, value, weight);
    for (const auto& window : windows_[size_t(Phase::train)])
        window->add_unless(scaler_->found_inf(), name, value, weight);
}

double Runner::grad_norm() {
    if (!stepping_) throw Error("grad_norm() is there from before_step to after_step only");
    if (scaler_ && scaler_->found_inf().item<double>() != 0) return 0;
    if (!grad_norm_.defined()) {
        const at::NoGradGuard no_grad;
        grad_norm_ = norm_of(gradients_of(stepping_->parameters()), 2);
    }
    return grad_norm_.defined() ? grad_norm_.item<double>() : 0;
}

void Runner::skip_step(const std::string& reason) {
    if (!stepping_) throw Error("skip_step() may be called in before_step only");
    skip_reason_ = reason;
}

/// After a step: at the end of what the watch waits for, one warning names the parameters that
/// nothing has trained.
void Runner::tell_if_never_reached() {
    if (gradient_watch_.done()) return;
    constexpr int64_t patience = 1000;
    const int64_t epoch = modules_.data.at(Phase::train).loader->plan().iterations();
    if (gradient_watch_.iterations() >= epoch)
        tell_never_reached("the first epoch");
    else if (gradient_watch_.steps() >= patience)
        tell_never_reached(concat("the first ", patience, " steps"));
}

void Runner::tell_never_reached(const std::string& when) {
    const std::vector<std::string> names = gradient_watch_.finish();
    if (names.empty() || job_.rank() != 0) return;
    log_warning("no gradient reached ", names.size() == 1 ? "the parameter " : "the parameters ",
                join(names), " in ", when, job_.world_size() > 1 ? ", on any rank" : "",
                ": nothing trains ", names.size() == 1 ? "it" : "them",
                ". The loss does not depend on ", names.size() == 1 ? "it" : "them",
                "; where weights were meant to be tied, note that an assignment "
                "(head->weight = embedding->weight) leaves the registered head.weight behind: "
                "register_parameter() the one tensor under both names");
}

/// Tensors that came, went or changed places while the run was going on would be left out of it
/// without a word.
void Runner::check_registered() const {
    Problems problems;
    for (const std::string& change : registered_.changes())
        problems.add(config_.model.config.place, change);
    problems.check();
}

/// The gradients of such a step are 0, as PyTorch's are, and it has no loss to log.
void Runner::tell_if_nothing_counts() {
    if (told_uncounted_ || !backward_.counts_nothing() || job_.rank() != 0) return;
    told_uncounted_ = true;
    log_warning("training, step ", workflow_.position().step, ": none of the targets counts in ",
                forward_.loss_label(),
                ": all are ignored, or weigh nothing. Such a step has no loss, and its gradients "
                "are 0; check the labels, and the loss's ignore_index and weight");
}

void Runner::check_unused(const ParameterUpdate& update) {
    if (modules_.step.find_unused_parameters || window_.samples == 0) return;
    const std::vector<std::string> unused = update.unused();
    if (unused.empty()) return;
    throw Error(concat("the loss of step ", workflow_.position().step,
                       " does not depend on the parameter", unused.size() == 1 ? " " : "s ",
                       join(unused),
                       " on any rank. If that is intended, set find_unused_parameters: true in "
                       "DDPHook, or freeze ",
                       unused.size() == 1 ? "it" : "them", " with paramwise_cfg.custom_keys"));
}

}  // namespace ailab
