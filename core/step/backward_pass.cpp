#include "backward_pass.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "host/error_context.hpp"
#include "loss_terms.hpp"

namespace ailab {

BackwardPass::BackwardPass(const ForwardPass& forward, Loss* loss, Comm& comm,
                           AccumulationWindow& window, SyncBatchNorm* sync, bool near)
    : forward_(forward), loss_(loss), comm_(comm), window_(window), sync_(sync), near_(near) {}

BackwardPass::Division BackwardPass::division(int64_t iterations) const {
    if (!forward_.has_own_weights()) return Division::by_samples;
    if (comm_.world_size() == 1 && iterations == 1) return Division::alone;
    switch (forward_.weight_source()) {
        case WeightSource::common:
            return near_ && iterations == 1 ? Division::exchanged : Division::after_reduction;
        case WeightSource::targets:
            return Division::ahead;
        case WeightSource::predictions:
            break;
    }
    return iterations == 1 ? Division::exchanged : Division::by_term;
}

void BackwardPass::begin() {
    gradients_.begin();
    sums_.clear();
    weights_.clear();
    scales_.assign(forward_.term_count(), 1);
    foretold_.clear();
    totals_.clear();
}

/// Over the ranks. Collective.
std::vector<double> BackwardPass::summed(std::vector<double> numbers) {
    if (comm_.world_size() == 1) return numbers;
    at::Tensor sums = at::from_blob(numbers.data(), {int64_t(numbers.size())}, at::kDouble);
    comm_.all_reduce_sum(sums);
    return numbers;
}

void BackwardPass::look_ahead(const std::vector<const Batch*>& batches) {
    const at::NoGradGuard no_grad;
    const size_t count = forward_.term_count();
    std::vector<double> numbers(count + 1, 0);
    for (const Batch* batch : batches) {
        std::vector<std::optional<double>>& weights = foretold_.emplace_back(count);
        numbers.back() += double(batch->size);
        if (batch->size == 0) continue;
        const std::vector<std::optional<Tensor>> given = forward_.target_weights(*batch);
        for (size_t i = 0; i < count; ++i)
            if (given[i]) numbers[i] += *(weights[i] = given[i]->item<double>());
    }
    // Which terms have no weight of their own the iterations tell.
    numbers = summed(std::move(numbers));
    window_.samples = std::llround(numbers.back());
    totals_.assign(numbers.begin(), numbers.end() - 1);
}

/// A pass over this rank's samples, if there are any.
template <class Compute>
void BackwardPass::pass(const Compute& compute) {
    SyncBatchNorm::Section section(sync_);
    if (batch_size_ > 0) compute();
    section.meet();
}

void BackwardPass::run(Batch& batch, GradientStore& gradients, const Tensor& scale) {
    terms_.clear();
    factors_.clear();
    batch_size_ = batch.size;
    if (window_.in_first()) {  // also when a closure evaluates the step again
        sums_.clear();
        weights_.clear();
    }
    pass([&] {
        forward_.run_model(batch, Phase::train);
        terms_ = forward_.loss_terms(batch, window_.assigned);
        all_have_weights_ = std::all_of(terms_.begin(), terms_.end(), [](const LossTerm& term) {
            return term.weight.has_value();
        });
    });
    const bool apart = division() == Division::by_term;
    if (apart || divides_later() || loss_follows()) add_to_sums();
    if (apart) pass([&] { gradients_.add(terms_, batch_size_, gradients.parameters(), scale); });
    if (apart && !window_.in_last()) return;
    weigh_terms();
    if (apart) return gradients_.combine(factors_, gradients);
    pass([&] {
        if (!terms_.empty()) backward(gradients, scale);
    });
}

void BackwardPass::backward(GradientStore& gradients, const Tensor& scale) {
    std::vector<Tensor> roots;
    std::vector<StepNumber> factors;
    for (size_t i = 0; i < terms_.size(); ++i) {
        if (!terms_[i].sum.requires_grad()) continue;
        roots.push_back(terms_[i].sum);
        factors.push_back(factors_[i]);
    }
    if (roots.empty())
        throw Error(
            concat(forward_.loss_label(), " does not depend on any parameter: nothing to train"));
    const bool reduces = window_.in_last() && !(sync_ && sync_->uneven());
    try {
        gradients.backward(roots, factors, reduces, scale);
    } catch (...) {
        rethrow_with("backward");
    }
}

/// What each term's gradient starts with: its scale over its weight in the whole step, or over the
/// unit where that is known later.
void BackwardPass::weigh_terms() {
    const size_t count = forward_.term_count();
    const auto own = [&] {
        std::vector<double> weights(count + 1, 0);
        for (size_t i = 0; i < weights_.size(); ++i) weights[i] = weights_[i].value();
        if (weights_.empty())
            for (size_t i = 0; i < terms_.size(); ++i)
                if (terms_[i].weight) weights[i] = StepNumber(*terms_[i].weight).value();
        weights.back() = double(window_.own);
        return weights;
    };
    switch (division()) {
        case Division::by_samples:
            totals_.assign(count, double(window_.samples));
            break;
        case Division::alone:
            window_.samples = window_.own;
            totals_.clear();
            for (const LossTerm& term : terms_)
                totals_.push_back(term.weight ? StepNumber(*term.weight) : StepNumber());
            break;
        case Division::ahead:
            check_foretold();
            break;
        case Division::after_reduction:
            if (unit_ == 0) expect_weight(summed(own())[0] * double(window_.iterations));
            totals_.assign(count, unit_);
            break;
        case Division::exchanged:
        case Division::by_term: {
            const std::vector<double> sums = summed(own());
            window_.samples = std::llround(sums.back());
            totals_.assign(sums.begin(), sums.end() - 1);
        }
    }
    // A term without a weight of its own is divided by the samples.
    if (!divides_later())
        for (size_t i = 0; i < terms_.size(); ++i)
            if (!terms_[i].weight) totals_[i] = double(window_.samples);
    const bool summed_up = division() == Division::by_term;
    for (size_t i = 0; i < (summed_up ? count : terms_.size()); ++i) {
        const double size = !summed_up && terms_[i].is_mean ? double(batch_size_) : 1;
        factors_.push_back(
            StepNumber((summed_up ? scales_[i] : terms_[i].scale) * size).over(totals_[i]));
    }
}

void BackwardPass::check_foretold() const {
    for (size_t i = 0; i < terms_.size(); ++i) {
        const std::optional<double>& told = foretold_.at(size_t(window_.done))[i];
        const bool given = terms_[i].weight.has_value();
        if (given && told && !terms_[i].weight->is_cpu()) continue;  // nothing waits for it
        const double weight = given ? terms_[i].weight->item<double>() : 0;
        if (given == told.has_value() &&
            (!given || std::abs(weight - *told) <= 1e-4 * std::abs(*told)))
            continue;
        throw Error(concat(forward_.loss_label(), ": term \"", terms_[i].name, "\" has the weight ",
                           given ? concat(weight) : "of the samples",
                           ", and target_weights() said ", told ? concat(*told) : "nothing of it",
                           " before the forward pass: a hook that changes targets in "
                           "before_train_iter does not go with it"));
    }
}

/// Keeps each term's sum and weight of this iteration.
void BackwardPass::add_to_sums() {
    const at::NoGradGuard no_grad;
    if (terms_.empty()) return;
    sums_.resize(terms_.size());
    weights_.resize(terms_.size());
    for (size_t i = 0; i < terms_.size(); ++i) {
        const LossTerm& term = terms_[i];
        const StepNumber sum(term.sum.detach());
        sums_[i] = sums_[i] + (term.is_mean ? sum * double(batch_size_) : sum);
        weights_[i] = weights_[i] +
                      (term.weight ? StepNumber(*term.weight) : StepNumber(double(batch_size_)));
        scales_[i] = term.scale;
    }
    if (!divides_later()) return;
    for (size_t i = 1; i < weights_.size(); ++i)
        if (!weights_[i].on_device() && weights_[i].value() != weights_[0].value())
            throw Error(concat(forward_.loss_label(), ": the terms \"", terms_[0].name, "\" and \"",
                               terms_[i].name, "\" weigh ", weights_[0].value(), " and ",
                               weights_[i].value(),
                               ", and weight_source() says that all terms have one weight"));
}

void BackwardPass::divided_by(const StepNumber& weight) {
    totals_.assign(forward_.term_count(), weight);
    factors_.clear();
    for (const double scale : scales_) factors_.push_back(StepNumber(scale).over(weight));
}

void BackwardPass::expect_weight(double weight) {
    if (weight > 0 && std::isfinite(weight)) unit_ = power_of_two_near(weight);
    if (unit_ == 0) unit_ = 1;  // nothing counts yet
}

/// Each rank's share, scaled so that the mean over samples of all ranks is the loss of the batch.
void BackwardPass::record(StepObserver& observer) const {
    const bool whole = division() == Division::by_term || divides_later();
    if (whole && !window_.in_last()) return;
    const at::NoGradGuard no_grad;
    const double samples = double(whole ? window_.own : batch_size_);
    const size_t count = whole ? sums_.size() : terms_.size();
    if (samples == 0 || count == 0 || factors_.empty()) return;
    if (!whole && count == 1 && terms_[0].is_mean && terms_[0].scale == 1)
        return observer.record("loss", terms_[0].sum, samples);
    const double to_mean = double(window_.samples) / samples;
    Tensor total, unless;
    for (size_t i = 0; i < count; ++i) {
        const StepNumber& weight = totals_[i];
        if (weight.is(0)) continue;
        const StepNumber factor = factors_[i] * to_mean;
        Tensor share;
        if (whole) {
            const StepNumber number = sums_[i] * factor;
            share = number.on_device() ? number.tensor()
                                       : at::scalar_tensor(number.value(), at::kDouble);
        } else {
            const Tensor sum = terms_[i].sum.detach();
            share = factor.on_device() ? sum * factor.tensor() : sum * factor.value();
        }
        const Tensor nothing = weight.on_device() ? weight.tensor().eq(0) : Tensor();
        if (count > 1) observer.record(forward_.term_name(i), share, samples, nothing);
        total = total.defined() ? total + share : share;
        if (nothing.defined()) unless = unless.defined() ? unless.logical_and(nothing) : nothing;
    }
    if (total.defined()) observer.record("loss", total, samples, unless);
}

double BackwardPass::share() const {
    double share = 0;
    for (size_t i = 0; i < terms_.size(); ++i)
        share += terms_[i].sum.item<double>() * factors_[i].value();
    return share;
}

bool BackwardPass::counts_nothing() const {
    // A rank without samples knows which terms have weights from earlier steps, or not yet.
    return all_have_weights_ && !totals_.empty() && window_.samples > 0 &&
           std::all_of(totals_.begin(), totals_.end(),
                       [](const StepNumber& total) { return total.is(0); });
}

void BackwardPass::tell_loss() {
    if (!loss_follows()) return;
    const size_t count = forward_.term_count();
    std::vector<double> numbers(2 * count, 0);
    for (size_t i = 0; i < sums_.size(); ++i) {
        numbers[i] = sums_[i].value();
        numbers[count + i] = weights_[i].value();
    }
    numbers = summed(std::move(numbers));
    std::vector<double> values;
    for (size_t i = 0; i < count; ++i)
        values.push_back(numbers[count + i] == 0 ? 0 : numbers[i] / numbers[count + i]);
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
