// The main path: run() -> standard_step() -> differentiate(), reduce(), apply().
#include "training_step.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "ailab/random.hpp"
#include "host/error_context.hpp"
#include "manual_step.hpp"

namespace ailab {

namespace {

bool share_memory(const std::map<std::string, std::unique_ptr<ParameterUpdate>>& updates) {
    return std::any_of(updates.begin(), updates.end(),
                       [](const auto& update) { return update.second->gradients().in_place(); });
}

}  // namespace

TrainingStep::TrainingStep(StepParts parts, StepObserver& observer)
    : parts_(std::move(parts)),
      observer_(observer),
      scaler_(parts_.scaling ? std::make_unique<LossScaler>(*parts_.scaling, parts_.torch_device)
                             : nullptr),
      backward_(parts_.forward, parts_.loss, parts_.comm, window_, parts_.sync_batch_norm,
                share_memory(parts_.updates)) {}

void TrainingStep::begin(AccumulationWindow window) {
    window_ = window;
    window_.samples = window_.assigned = std::max<int64_t>(1, window.assigned);
    backward_.begin();
}

void TrainingStep::run(Batch& batch, int ranks) {
    batch_ = &batch;
    observer_.doing("forward and backward");
    seed();
    window_.own += batch.size;
    if (parts_.sync_batch_norm) parts_.sync_batch_norm->begin(batch.size, ranks);
    parts_.model.owns_step() ? manual_step() : standard_step();
    ++window_.done;
    batch_ = nullptr;
}

/// The framework's generator (dropout) depends on the step, the iteration in it and the rank alone,
/// so resuming needs no replay.
void TrainingStep::seed() {
    Philox random(parts_.seed + uint64_t(window_.done) * 0x9e3779b97f4a7c15, uint64_t(window_.step),
                  uint64_t(parts_.comm.rank()));
    parts_.device.seed(random.next64());
}

void TrainingStep::standard_step() {
    ParameterUpdate& update = *parts_.updates.at("");
    if (update.optimizer().needs_closure()) return closure_step(update);
    if (window_.in_first()) update.gradients().begin();
    differentiate(update);
    if (!window_.in_last()) return;
    reduce_loss(update, /*wants_loss=*/false);
    apply(update, [&] { update.optimizer().step({}, found_inf()); });
    backward_.tell_loss();
}

/// For an optimizer that evaluates the loss several times.
void TrainingStep::closure_step(ParameterUpdate& update) {
    std::optional<double> first;
    const auto evaluate = [&] {
        if (first) return *std::exchange(first, std::nullopt);
        update.gradients().begin();
        seed();  // the same dropout each time
        differentiate(update);
        const double loss = reduce_loss(update, /*wants_loss=*/true);
        evaluates_again_ = true;
        return loss;
    };
    evaluates_again_ = false;
    first = evaluate();
    apply(update, [&] { update.optimizer().step(evaluate); });
}

/// Forward, losses and backward of the iteration: adds to the gradients.
void TrainingStep::differentiate(ParameterUpdate& update) {
    backward_.run(*batch_, update.gradients(), scale());
    if (!backward_.divides_later() && records_losses()) backward_.record(observer_);
    observer_.after_backward();
}

/// Of the loss: its gradients, and if it is wanted its value in the whole step.
double TrainingStep::reduce_loss(ParameterUpdate& update, bool wants_loss) {
    std::optional<Undivided> undivided;
    if (backward_.divides_later()) undivided = {backward_.own_weight(), backward_.unit()};
    const Reduced reduced = reduce(update, undivided, wants_loss ? backward_.share() : 0);
    if (undivided) {
        backward_.divided_by(reduced.weight);
        if (records_losses()) backward_.record(observer_);
    }
    return wants_loss ? reduced.loss.value() : 0;
}

void TrainingStep::manual_step() {
    ManualStep step(*this);
    const Recompute::Section blocks(parts_.forward.recompute());
    try {
        parts_.model.train_step(step);
        step.finish();
        if (scaler_) scaler_->update();
        if (batch_->size > 0) blocks.done();
    } catch (...) {
        rethrow_with(concat(parts_.forward.model_label(), ", train_step"));
    }
}

/// Sums the gradients over the ranks, and with them what the observer's flags are, how many samples
/// there are, `share`, this rank's part of the loss, and the weight of what is undivided.
TrainingStep::Reduced TrainingStep::reduce(ParameterUpdate& update,
                                           const std::optional<Undivided>& undivided,
                                           double share) {
    settle();
    const std::vector<double> own_flags = observer_.own_flags();
    const size_t flags = own_flags.size();
    std::vector<StepNumber>& numbers = numbers_;  // kept for its memory
    numbers.assign(own_flags.begin(), own_flags.end());
    numbers.emplace_back(double(window_.own));
    numbers.emplace_back(share);
    if (undivided) numbers.push_back(undivided->weight);
    GradientStore& gradients = update.gradients();
    gradients.reduce(numbers);
    pending_ = Pending{&update, window_.step, flags, undivided && !parts_.model.owns_step()};
    const StepNumber weight = undivided ? numbers.back() : StepNumber();
    StepNumber factor = undivided ? StepNumber(undivided->unit).over(weight) : StepNumber(1);
    if (reads_now(update)) {
        // Which samples were broken is known on their rank alone until now.
        const int64_t samples = std::llround(gradients.read()[flags]);
        const int64_t divided_by = std::exchange(window_.samples, samples);
        if (!undivided && samples != divided_by && samples != 0)
            factor = double(divided_by) / double(samples);
    }
    if (tells_now()) settle();
    gradients.scale(factor);
    return {numbers[flags + 1] * factor, weight};
}

/// Where the gradients are on the CPU nothing has to wait. On a device this rank does where what
/// the ranks tell each other changes this step: which samples there are, or which gradients. (When
/// they act on flags must be the same on all: see tells_now().)
bool TrainingStep::reads_now(ParameterUpdate& update) const {
    return tells_now() || parts_.may_skip || update.optimizer().needs_closure() ||
           (parts_.find_unused_parameters && !update.gradients().complete());
}

void TrainingStep::settle() {
    if (pending_) hand_on(*std::exchange(pending_, std::nullopt));
}

/// What the ranks have told each other with the gradients of a step.
void TrainingStep::hand_on(const Pending& pending) {
    const std::vector<double>& sums = pending.update->gradients().read();
    observer_.note_flags({sums.data(), pending.flags});
    if (pending.divides) backward_.expect_weight(sums.back());
    if (sums[pending.flags] > 0) check_unused(pending);
}

void TrainingStep::check_unused(const Pending& pending) {
    if (parts_.find_unused_parameters) return;
    const std::vector<std::string>& unused = pending.update->gradients().unused();
    if (unused.empty()) return;
    throw Error(concat("the loss of step ", pending.step, " does not depend on the parameter",
                       unused.size() == 1 ? " " : "s ", join(unused),
                       " on any rank. If that is intended, set find_unused_parameters: true in "
                       "DDPHook, or freeze ",
                       unused.size() == 1 ? "it" : "them", " with paramwise_cfg.custom_keys"));
}

namespace {

/// Fused kernels change parameters behind the back of autograd, which would take a graph of before
/// for one of now: a model's own step that goes backward through it later is to be refused.
void note_changes(const std::vector<NamedParameter>& parameters) {
    for (const NamedParameter& parameter : parameters)
        parameter.tensor.unsafeGetTensorImpl()->bump_version();
}

}  // namespace

/// What follows the reduction; `step` is the optimizer's.
void TrainingStep::apply(ParameterUpdate& update, const std::function<void()>& step) {
    GradientStore& gradients = update.gradients();
    observer_.gradients_complete();
    stepping_ = &update;
    if (scaler_) {
        scaler_->unscale(gradients.present());
        observer_.record(named("overflow"), scaler_->found_inf(), double(window_.samples));
    }
    grad_norm_ = Tensor();
    skip_reason_ = window_.samples == 0 ? "none of its samples can be used" : "";
    observer_.before_step();
    observer_.doing("the optimizer's step");
    clip(gradients);
    if (skip_reason_.empty()) step();
    note_changes(update.parameters());
    if (scaler_) {
        scaler_->end_step();
        if (!parts_.model.owns_step()) scaler_->update();
    }
    observer_.after_step();
    stepping_ = nullptr;
    gradients.end();
    if (backward_.counts_nothing()) observer_.nothing_counts();
}

void TrainingStep::clip(GradientStore& gradients) {
    const ClipConfig& config = parts_.clip;
    if (config.max_norm) {
        const bool known = config.norm_type == 2 && grad_norm_.defined();
        const Tensor norm = known ? grad_norm_ : gradients.norm(config.norm_type);
        if (!norm.defined()) return;
        if (config.norm_type == 2) grad_norm_ = norm;
        gradients.clip_norm(norm, *config.max_norm);
        if (skip_reason_.empty())
            observer_.record(named("grad_norm"), norm, double(window_.samples), found_inf());
    }
    if (config.max_value) gradients.clip_value(*config.max_value);
}

/// A value of the optimizer that steps: "grad_norm", of one among several "d_grad_norm".
std::string TrainingStep::named(const char* value) const {
    for (const auto& [name, update] : parts_.updates)
        if (update.get() == stepping_ && !name.empty()) return concat(name, "_", value);
    return value;
}

double TrainingStep::grad_norm() {
    if (!stepping_) throw Error("grad_norm() is there from before_step to after_step only");
    if (scaler_ && scaler_->found_inf().item<double>() != 0) return 0;
    if (!grad_norm_.defined()) grad_norm_ = stepping_->gradients().norm();
    return grad_norm_.defined() ? grad_norm_.item<double>() : 0;
}

void TrainingStep::skip(const std::string& reason) {
    if (!stepping_) throw Error("skip_step() may be called in before_step only");
    skip_reason_ = reason;
}

}  // namespace ailab
