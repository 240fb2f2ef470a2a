// One iteration: the training step and its evaluation counterpart.
#include <ATen/ATen.h>

#include <algorithm>

#include "ailab/random.hpp"
#include "error_context.hpp"
#include "host/threads.hpp"
#include "loss_terms.hpp"
#include "model_step.hpp"
#include "runner.hpp"

namespace ailab {

void Runner::take_batch(PhaseData& data) {
    const auto begin = Clock::now();
    batch_ = data.loader->next();
    data_seconds_ += seconds(Clock::now() - begin);
    dealt_fields_.clear();
    for (const auto& entry : batch_.fields) dealt_fields_.push_back(entry.first);
    progress_.samples = data.loader->plan().samples_after(progress_.iter + 1);
    if (!torch_device_.is_cpu()) place_on_device(batch_);
}

/// Gives the batch's memory back, without what the model and hooks have joined in.
void Runner::return_batch(PhaseData& data) {
    std::erase_if(batch_.fields, [&](const auto& entry) {
        return std::find(dealt_fields_.begin(), dealt_fields_.end(), entry.first) ==
               dealt_fields_.end();
    });
    data.loader->recycle(std::move(batch_));
    batch_ = Batch();
}

void Runner::place_on_device(Batch& batch) {
    for (auto& [name, field] : batch.fields) {
        auto move = [&](Tensor& tensor) {
            if (tensor.defined())
                tensor = device_.pin(tensor).to(torch_device_, /*non_blocking=*/true);
        };
        if (auto* tensor = std::get_if<Tensor>(&field)) move(*tensor);
        if (auto* list = std::get_if<std::vector<Tensor>>(&field))
            for (Tensor& tensor : *list) move(tensor);
    }
}

/// The framework's generator (dropout) depends on the step and the rank alone, so resuming needs no
/// replay.
void Runner::seed_step() {
    Philox random(config_.seed, uint64_t(position_.step), uint64_t(job_.rank()));
    device_.seed(random.next64());
}

// ---- training

void Runner::train_iteration() {
    PhaseData& data = modules_.data.at(Phase::train);
    beat();
    writer_.check();
    take_batch(data);
    call(&Hook::before_train_iter, "before_train_iter");
    seed_step();
    modules_.model->owns_step() ? own_step() : shared_step();
    ++position_.step;
    ++position_.iter;
    progress_.step = position_.step;
    train_samples_ += batch_.global_size;
    if (seconds_to_first_step_ == 0) seconds_to_first_step_ = seconds_since_process_start();
    const auto now = Clock::now();
    iteration_seconds_ += seconds(now - last_timing_);
    last_timing_ = now;
    ++timed_iterations_;
    call(&Hook::after_train_iter, "after_train_iter");
    return_batch(data);
}

/// What each term's gradient starts with, so that the sum over ranks is the gradient of the one big
/// batch. Collective when the loss has weights of its own.
std::vector<double> Runner::term_factors(const std::vector<LossTerm>& terms) {
    const double global = double(std::max<int64_t>(1, batch_.global_size));
    std::vector<double> factors;
    for (const LossTerm& term : terms)
        factors.push_back(term.scale * (term.is_mean ? double(batch_.size) : 1.0) / global);
    if (!forward_.has_own_weights()) return factors;

    Tensor weights = at::zeros({int64_t(forward_.term_count())}, at::kDouble);
    auto* sums = weights.mutable_data_ptr<double>();
    for (size_t i = 0; i < terms.size(); ++i)
        sums[i] = terms[i].weight ? terms[i].weight->item<double>() : double(batch_.size);
    if (job_.world_size() > 1) job_.all_reduce_sum(weights);
    for (size_t i = 0; i < terms.size(); ++i)
        if (terms[i].weight) factors[i] = sums[i] == 0 ? 0 : terms[i].scale / sums[i];
    return factors;
}

/// Each rank's share, scaled so that the mean over samples of all ranks is the loss of the batch.
void Runner::record_loss(const std::vector<LossTerm>& terms, const std::vector<double>& factors) {
    if (batch_.size == 0 || windows_.find(Phase::train) == windows_.end()) return;
    const at::NoGradGuard no_grad;
    const double to_mean = double(batch_.global_size) / double(batch_.size);
    if (terms.size() == 1 && terms[0].is_mean && terms[0].scale == 1)
        return record("loss", terms[0].sum, double(batch_.size));
    Tensor total;
    for (size_t i = 0; i < terms.size(); ++i) {
        const Tensor share = terms[i].sum.detach() * (factors[i] * to_mean);
        if (terms.size() > 1) record(terms[i].name, share, double(batch_.size));
        total = total.defined() ? total + share : share;
    }
    record("loss", total, double(batch_.size));
}

void Runner::shared_step() {
    ParameterUpdate& update = *modules_.updates.at("");
    update.begin();
    std::vector<LossTerm> terms;
    if (batch_.size > 0) {
        forward_.run_model(batch_);
        terms = forward_.loss_terms(batch_);
    }
    const std::vector<double> factors = term_factors(terms);
    if (batch_.size > 0) {
        std::vector<Tensor> roots;
        std::vector<double> root_factors;
        for (size_t i = 0; i < terms.size(); ++i) {
            if (!terms[i].sum.requires_grad()) continue;
            roots.push_back(terms[i].sum);
            root_factors.push_back(factors[i]);
        }
        if (roots.empty())
            throw Error(concat(forward_.loss_label(),
                               " does not depend on any parameter: nothing to train"));
        try {
            update.backward(roots, root_factors);
        } catch (...) {
            rethrow_with("backward");
        }
    }
    call(&Hook::after_backward, "after_backward");
    update.reduce();
    call(&Hook::before_step, "before_step");
    update.step();
    call(&Hook::after_step, "after_step");
    update.drop_gradients();
    record_loss(terms, factors);
}

void Runner::own_step() {
    ModelStep step(*this);
    try {
        modules_.model->train_step(step);
    } catch (...) {
        rethrow_with(concat(forward_.model_label(), ", train_step"));
    }
}

// ---- evaluation

void Runner::evaluate_iteration(Meters& sums) {
    PhaseData& data = modules_.data.at(progress_.phase);
    const bool val = progress_.phase == Phase::val;
    beat();
    writer_.check();
    take_batch(data);
    call(val ? &Hook::before_val_iter : &Hook::before_test_iter, "before iteration");
    if (batch_.size > 0) {
        forward_.run_model(batch_);
        if (forward_.has_loss()) {
            for (const LossTerm& term : forward_.loss_terms(batch_)) {
                const TermValue value = value_of(term, batch_.size);
                if (value.weight != 0)
                    sums.add(term.name, term.scale * value.sum / value.weight, value.weight);
            }
        }
    }
    call(val ? &Hook::after_val_iter : &Hook::after_test_iter, "after iteration");
    return_batch(data);
}

/// Buffers (running means) are each rank's own while training; rank 0's are validated and saved.
void Runner::broadcast_buffers() {
    if (job_.world_size() == 1) return;
    const at::NoGradGuard no_grad;
    for (const Tensor& buffer : modules_.model->buffers()) {
        Tensor flat = buffer.detach().contiguous();
        job_.broadcast(flat, 0);
        if (!flat.is_same(buffer)) buffer.detach().copy_(flat);
    }
}

}  // namespace ailab
