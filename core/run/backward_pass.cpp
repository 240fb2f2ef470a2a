#include "backward_pass.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "error_context.hpp"
#include "loss_terms.hpp"

namespace ailab {

BackwardPass::BackwardPass(const ForwardPass& forward, Loss* loss, Comm& comm, StepWindow& window,
                           SyncBatchNorm* sync)
    : forward_(forward), loss_(loss), comm_(comm), window_(window), sync_(sync) {}

void BackwardPass::begin() {
    gradients_.begin();
    sums_.clear();
    weights_.clear();
    scales_.assign(forward_.term_count(), 1);
}

/// A pass over this rank's samples, if there are any.
template <class Compute>
void BackwardPass::pass(const Compute& compute) {
    SyncBatchNorm::Section section(sync_);
    if (batch_size_ > 0) compute();
    section.meet();
}

void BackwardPass::run(Batch& batch, ParameterUpdate& update, bool last, const Tensor& scale) {
    terms_.clear();
    factors_.clear();
    batch_size_ = batch.size;
    pass([&] {
        forward_.run_model(batch, Phase::train);
        terms_ = forward_.loss_terms(batch, window_.dealt);
    });
    if (keeps_apart() || loss_follows()) add_to_sums();
    if (keeps_apart()) {
        pass([&] { gradients_.add(terms_, batch_size_, update.parameters(), scale); });
        if (!last) return;
        factors_ = step_factors();
        gradients_.combine(factors_, update.parameters());
        return;
    }
    factors_ = iteration_factors();
    pass([&] {
        if (!terms_.empty()) backward(update, last, scale);
    });
}

void BackwardPass::backward(ParameterUpdate& update, bool last, const Tensor& scale) {
    std::vector<Tensor> roots;
    std::vector<double> root_factors;
    for (size_t i = 0; i < terms_.size(); ++i) {
        if (!terms_[i].sum.requires_grad()) continue;
        roots.push_back(terms_[i].sum);
        root_factors.push_back(factors_[i]);
    }
    if (roots.empty())
        throw Error(
            concat(forward_.loss_label(), " does not depend on any parameter: nothing to train"));
    const bool reduces = last && !(sync_ && sync_->uneven());
    try {
        update.backward(roots, root_factors, reduces, scale);
    } catch (...) {
        rethrow_with("backward");
    }
}

/// What each term's gradient starts with. Collective when the loss has weights of its own.
std::vector<double> BackwardPass::iteration_factors() {
    std::vector<double> weights(forward_.term_count(), 0);
    if (forward_.has_own_weights()) {
        for (size_t i = 0; i < terms_.size(); ++i)
            if (terms_[i].weight) weights[i] = terms_[i].weight->item<double>();
        sum_weights(weights);
    }
    std::vector<double> factors;
    counts_.clear();
    for (size_t i = 0; i < terms_.size(); ++i) {
        const LossTerm& term = terms_[i];
        const double weight = term.weight ? weights[i] : double(window_.samples);
        const double size = term.is_mean ? double(batch_size_) : 1.0;
        counts_.push_back(weight != 0);
        factors.push_back(weight == 0 ? 0 : term.scale * size / weight);
    }
    return factors;
}

/// Sums weights over the ranks. Collective: the number of samples is learned with them.
void BackwardPass::sum_weights(std::vector<double>& weights) {
    weights.push_back(double(window_.own));
    if (comm_.world_size() > 1) {
        Tensor sums = at::from_blob(weights.data(), {int64_t(weights.size())}, at::kDouble);
        comm_.all_reduce_sum(sums);
    }
    window_.samples = std::llround(weights.back());
    weights.pop_back();
}

/// Keeps each term's sum and weight of this iteration.
void BackwardPass::add_to_sums() {
    const at::NoGradGuard no_grad;
    if (terms_.empty()) return;
    sums_.resize(terms_.size());
    weights_.resize(terms_.size());
    for (size_t i = 0; i < terms_.size(); ++i) {
        const LossTerm& term = terms_[i];
        Tensor sum = term.sum.detach().to(at::kDouble);
        if (term.is_mean) sum = sum * double(batch_size_);
        const Tensor weight = term.weight ? term.weight->detach().to(sum.device(), at::kDouble)
                                          : at::full({}, double(batch_size_), sum.options());
        sums_[i] = sums_[i].defined() ? sums_[i] + sum : sum;
        weights_[i] = weights_[i].defined() ? weights_[i] + weight : weight;
        scales_[i] = term.scale;
    }
}

/// Each term's scale over its weight in the whole step. Collective.
std::vector<double> BackwardPass::step_factors() {
    std::vector<double> weights(forward_.term_count(), 0);
    for (size_t i = 0; i < weights_.size(); ++i) weights[i] = weights_[i].item<double>();
    sum_weights(weights);
    std::vector<double> factors;
    counts_.clear();
    for (size_t i = 0; i < weights.size(); ++i) {
        counts_.push_back(weights[i] != 0);
        factors.push_back(weights[i] == 0 ? 0 : scales_[i] / weights[i]);
    }
    return factors;
}

/// Each rank's share, scaled so that the mean over samples of all ranks is the loss of the batch.
void BackwardPass::record(Run& run) const {
    if (factors_.empty()) return;
    const at::NoGradGuard no_grad;
    const bool apart = keeps_apart();
    const double samples = double(apart ? window_.own : batch_size_);
    const size_t count = apart ? sums_.size() : terms_.size();
    if (samples == 0 || count == 0) return;
    if (!apart && count == 1 && terms_[0].is_mean && terms_[0].scale == 1)
        return run.record("loss", terms_[0].sum, samples);
    const double to_mean = double(window_.samples) / samples;
    Tensor total;
    for (size_t i = 0; i < count; ++i) {
        if (!counts_[i]) continue;
        const Tensor sum = apart ? sums_[i] : terms_[i].sum.detach();
        const Tensor share = sum * (factors_[i] * to_mean);
        if (count > 1)
            run.record(terms_.empty() ? forward_.term_name(i) : terms_[i].name, share, samples);
        total = total.defined() ? total + share : share;
    }
    if (total.defined()) run.record("loss", total, samples);
}

double BackwardPass::share() const {
    double share = 0;
    for (size_t i = 0; i < terms_.size(); ++i) share += terms_[i].sum.item<double>() * factors_[i];
    return share;
}

void BackwardPass::tell_loss() {
    if (!loss_follows()) return;
    const int64_t count = int64_t(forward_.term_count());
    Tensor packed = at::zeros({2 * count}, at::kDouble);
    auto* numbers = packed.mutable_data_ptr<double>();
    for (size_t i = 0; i < sums_.size(); ++i) {
        numbers[i] = sums_[i].item<double>();
        numbers[size_t(count) + i] = weights_[i].item<double>();
    }
    if (comm_.world_size() > 1) comm_.all_reduce_sum(packed);
    std::vector<double> values;
    for (size_t i = 0; i < size_t(count); ++i)
        values.push_back(numbers[size_t(count) + i] == 0 ? 0
                                                         : numbers[i] / numbers[size_t(count) + i]);
    loss_->observe(values);
}

std::vector<std::pair<std::string, double>> BackwardPass::loss_values() const {
    std::vector<std::pair<std::string, double>> values;
    for (const LossTerm& term : terms_) {
        const TermValue value = value_of(term, batch_size_);
        if (value.weight != 0)
            values.emplace_back(term.name, term.scale * value.sum / value.weight);
    }
    return values;
}

}  // namespace ailab
