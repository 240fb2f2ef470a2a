// The training step: forward, loss, backward, accumulate, reduce, clip, step.
#include <ATen/ATen.h>

#include <cmath>
#include <utility>

#include "ailab/log.hpp"
#include "ailab/random.hpp"
#include "error_context.hpp"
#include "gradients.hpp"
#include "loss_terms.hpp"
#include "model_step.hpp"
#include "runner.hpp"

namespace ailab {

/// The framework's generator (dropout) depends on the step, the iteration in it and the rank alone,
/// so resuming needs no replay.
void Runner::seed_step() {
    const int64_t micro = progress_.iter - window_.begin;
    Philox random(config_.seed + uint64_t(micro) * 0x9e3779b97f4a7c15, uint64_t(position_.step),
                  uint64_t(job_.rank()));
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
    window_sums_.clear();
    window_weights_.clear();
    term_scales_.assign(forward_.term_count(), 1);
    window_samples_ = 0;
    term_gradients_.begin();
}

void Runner::own_step() {
    ModelStep step(*this);
    try {
        modules_.model->train_step(step);
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
    call(&Hook::after_backward, "after_backward");
    if (!last) return;
    reduce_gradients(update, 0, /*by_samples=*/true);
    check_unused(update);
    finish_step(update,
                [&] { update.optimizer().step({}, scaler_ ? scaler_->found_inf() : Tensor()); });
    tell_loss_its_values();
}

/// Sums the gradients over the ranks, and with them what signals ask, this rank's share of the
/// loss, and how many samples there are. Returns the whole loss. `by_samples`: gradients and loss
/// were divided by the number of samples that was known.
double Runner::reduce_gradients(ParameterUpdate& update, double share, bool by_samples) {
    std::vector<double> numbers = own_requests();
    const size_t requests = numbers.size();
    numbers.insert(numbers.end(), {double(window_samples_), share});
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
        call(&Hook::after_backward, "after_backward");
        const std::vector<double> factors = term_factors();
        double share = 0;
        for (size_t i = 0; i < terms_.size(); ++i)
            share += terms_[i].sum.item<double>() * factors[i];
        const double loss = reduce_gradients(update, share, /*by_samples=*/true);
        check_unused(update);
        return loss;
    };
    first = evaluate();
    finish_step(update, [&] { update.optimizer().step(evaluate); });
}

/// The part of a step that follows the reduction; `step` is the optimizer's.
void Runner::finish_step(ParameterUpdate& update, const std::function<void()>& step) {
    std::vector<Tensor> gradients;
    if (scaler_) {
        gradients = gradients_of(update.parameters());
        scaler_->unscale(gradients);
    }
    stepping_ = &update;
    grad_norm_ = Tensor();
    skip_reason_ = window_.samples == 0 ? "none of its samples can be used" : "";
    call(&Hook::before_step, "before_step");
    clip(update);
    if (skip_reason_.empty()) step();
    if (scaler_) scaler_->update();
    call(&Hook::after_step, "after_step");
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
        record("grad_norm", norm, double(window_.samples));
    }
    if (config.max_value) clip_value(gradients, *config.max_value);
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

void Runner::check_unused(const ParameterUpdate& update) {
    if (modules_.step.find_unused_parameters || window_.samples == 0) return;
    const std::vector<std::string> unused = update.unused();
    if (unused.empty()) return;
    throw Error(concat("the loss of step ", position_.step, " does not depend on the parameter",
                       unused.size() == 1 ? " " : "s ", join(unused),
                       " on any rank. If that is intended, set find_unused_parameters: true in "
                       "DDPHook, or freeze ",
                       unused.size() == 1 ? "it" : "them", " with paramwise_cfg.custom_keys"));
}

// ---- gradients of one iteration

/// Terms with weights of their own can be divided only when all iterations of the step are seen.
bool Runner::keeps_terms_apart() const {
    return forward_.has_own_weights() && window_.end - window_.begin > 1;
}

void Runner::compute_gradients(ParameterUpdate& update, bool last) {
    const Tensor scale = scaler_ ? scaler_->scale() : Tensor();
    terms_.clear();
    if (batch_.size > 0) {
        forward_.run_model(batch_, Phase::train);
        terms_ = forward_.loss_terms(batch_, window_.dealt);
    }
    if (keeps_terms_apart() || (modules_.loss && modules_.loss->follows_values())) add_to_window();
    if (keeps_terms_apart()) {
        if (!terms_.empty()) term_gradients_.add(terms_, batch_.size, update.parameters(), scale);
        if (!last) return;
        const std::vector<double> factors = window_factors();
        term_gradients_.combine(factors, update.parameters());
        return record_terms(factors);
    }
    const std::vector<double> factors = term_factors();
    if (!terms_.empty()) {
        std::vector<Tensor> roots;
        std::vector<double> root_factors;
        for (size_t i = 0; i < terms_.size(); ++i) {
            if (!terms_[i].sum.requires_grad()) continue;
            roots.push_back(terms_[i].sum);
            root_factors.push_back(factors[i]);
        }
        if (roots.empty())
            throw Error(concat(forward_.loss_label(),
                               " does not depend on any parameter: nothing to train"));
        try {
            update.backward(roots, root_factors, last, scale);
        } catch (...) {
            rethrow_with("backward");
        }
    }
    record_terms(factors);
}

/// What each term's gradient starts with, so that the sum over ranks and iterations is the gradient
/// of the one big batch. Collective when the loss has weights of its own.
std::vector<double> Runner::term_factors() {
    std::vector<double> weights(forward_.term_count(), 0);
    if (forward_.has_own_weights()) {
        for (size_t i = 0; i < terms_.size(); ++i)
            if (terms_[i].weight) weights[i] = terms_[i].weight->item<double>();
        sum_weights(weights);
    }
    std::vector<double> factors;
    for (size_t i = 0; i < terms_.size(); ++i) {
        const LossTerm& term = terms_[i];
        const double weight = term.weight ? weights[i] : double(window_.samples);
        const double size = term.is_mean ? double(batch_.size) : 1.0;
        factors.push_back(weight == 0 ? 0 : term.scale * size / weight);
    }
    return factors;
}

/// Sums weights over the ranks. Collective: the number of samples is learned with them.
void Runner::sum_weights(std::vector<double>& weights) {
    weights.push_back(double(window_samples_));
    if (job_.world_size() > 1) {
        Tensor sums = at::from_blob(weights.data(), {int64_t(weights.size())}, at::kDouble);
        job_.all_reduce_sum(sums);
    }
    window_.samples = std::llround(weights.back());
    weights.pop_back();
}

/// Keeps each term's sum and weight of this iteration.
void Runner::add_to_window() {
    const at::NoGradGuard no_grad;
    if (terms_.empty()) return;
    window_sums_.resize(terms_.size());
    window_weights_.resize(terms_.size());
    for (size_t i = 0; i < terms_.size(); ++i) {
        const LossTerm& term = terms_[i];
        Tensor sum = term.sum.detach().to(at::kDouble);
        if (term.is_mean) sum = sum * double(batch_.size);
        const Tensor weight = term.weight ? term.weight->detach().to(sum.device(), at::kDouble)
                                          : at::full({}, double(batch_.size), sum.options());
        window_sums_[i] = window_sums_[i].defined() ? window_sums_[i] + sum : sum;
        window_weights_[i] = window_weights_[i].defined() ? window_weights_[i] + weight : weight;
        term_scales_[i] = term.scale;
    }
}

/// Each term's scale over its weight in the whole window. Collective.
std::vector<double> Runner::window_factors() {
    std::vector<double> weights(forward_.term_count(), 0);
    for (size_t i = 0; i < window_weights_.size(); ++i)
        weights[i] = window_weights_[i].item<double>();
    sum_weights(weights);
    std::vector<double> factors;
    for (size_t i = 0; i < weights.size(); ++i)
        factors.push_back(weights[i] == 0 ? 0 : term_scales_[i] / weights[i]);
    return factors;
}

/// Records the loss. Each rank's share, scaled so that the mean over samples of all ranks is the
/// loss of the batch.
void Runner::record_terms(const std::vector<double>& factors) {
    if (windows_.find(Phase::train) == windows_.end()) return;
    const at::NoGradGuard no_grad;
    const bool apart = keeps_terms_apart();
    const double samples = double(apart ? window_samples_ : batch_.size);
    const size_t count = apart ? window_sums_.size() : terms_.size();
    if (samples == 0 || count == 0) return;
    if (!apart && count == 1 && terms_[0].is_mean && terms_[0].scale == 1)
        return record("loss", terms_[0].sum, samples);
    const double to_mean = double(window_.samples) / samples;
    Tensor total;
    for (size_t i = 0; i < count; ++i) {
        const Tensor sum = apart ? window_sums_[i] : terms_[i].sum.detach();
        const Tensor share = sum * (factors[i] * to_mean);
        if (count > 1)
            record(terms_.empty() ? forward_.term_name(i) : terms_[i].name, share, samples);
        total = total.defined() ? total + share : share;
    }
    record("loss", total, samples);
}

void Runner::tell_loss_its_values() {
    if (!modules_.loss || !modules_.loss->follows_values()) return;
    const int64_t count = int64_t(forward_.term_count());
    Tensor packed = at::zeros({2 * count}, at::kDouble);
    auto* numbers = packed.mutable_data_ptr<double>();
    for (size_t i = 0; i < window_sums_.size(); ++i) {
        numbers[i] = window_sums_[i].item<double>();
        numbers[size_t(count) + i] = window_weights_[i].item<double>();
    }
    if (job_.world_size() > 1) job_.all_reduce_sum(packed);
    std::vector<double> values;
    for (size_t i = 0; i < size_t(count); ++i)
        values.push_back(numbers[size_t(count) + i] == 0 ? 0
                                                         : numbers[i] / numbers[size_t(count) + i]);
    modules_.loss->observe(values);
}

std::vector<std::pair<std::string, double>> Runner::loss_values() {
    std::vector<std::pair<std::string, double>> values;
    for (const LossTerm& term : terms_) {
        const TermValue value = value_of(term, batch_.size);
        values.emplace_back(term.name,
                            value.weight == 0 ? 0 : term.scale * value.sum / value.weight);
    }
    return values;
}

}  // namespace ailab
