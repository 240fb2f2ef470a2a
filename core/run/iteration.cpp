// One iteration: the training step and its evaluation counterpart.
#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "distributed/broadcast.hpp"
#include "host/error_context.hpp"
#include "host/threads.hpp"
#include "runner.hpp"

namespace ailab {

Batch Runner::fetch_batch(PhaseData& data) {
    const auto begin = Clock::now();
    job_.doing("waiting for a batch");
    Batch batch = data.loader->next();
    const double waited = seconds(Clock::now() - begin);
    const StageTimes times = data.loader->take_times();
    if (progress_.phase == Phase::train) {
        timing_.data += waited;
        stage_times_.add(times);
    }
    loading_.waiting += waited;
    loading_.stages.add(times);
    return batch;
}

void Runner::take_batch(PhaseData& data) {
    if (ahead_.empty()) {
        batch_ = fetch_batch(data);
    } else {
        batch_ = std::move(ahead_.front());
        ahead_.pop_front();
    }
    loaded_fields_.clear();
    for (const auto& entry : batch_.fields) loaded_fields_.push_back(entry.first);
    const BatchPlan& plan = data.loader->plan();
    if (plan.own_batches && progress_.phase == Phase::train)
        progress_.samples += batch_.global_size;
    else
        progress_.samples = plan.samples_after(progress_.iter + 1);
    if (progress_.phase == Phase::train && data.pads) note_padding(data);
    if (!torch_device_.is_cpu()) place_on_device(data);
}

/// How much of what the model is given is filled in: of the batch as it lies in host memory.
void Runner::note_padding(const PhaseData& data) {
    padding_.clear();
    for (const FieldSpec& spec : *data.loader->options().specs)
        if (spec.layout == BatchLayout::pad)
            padding_.emplace_back(spec.name + "_padding", padding_of(batch_, spec));
}

/// Behind the losses, in the log.
void Runner::record_padding() {
    for (const auto& [name, padding] : padding_)
        for (const auto& window : windows_[size_t(Phase::train)])
            if (padding.all > 0) window->add(name, padding.filled / padding.all, padding.all);
}

/// Gives the batch's memory back, without what the model and hooks have joined in.
void Runner::return_batch(PhaseData& data) {
    std::erase_if(batch_.fields, [&](const auto& entry) {
        return std::find(loaded_fields_.begin(), loaded_fields_.end(), entry.first) ==
               loaded_fields_.end();
    });
    if (torch_device_.is_cpu()) data.loader->recycle(std::move(batch_));
    batch_ = Batch();
}

void Runner::place_on_device(PhaseData& data) {
    Batch host = batch_;
    const bool pinned = data.loader->options().pins;
    move_to_device(batch_, pinned);
    if (!pinned) data.loader->recycle(std::move(host));
}

void Runner::move_to_device(Batch& batch, bool pinned) const {
    const auto move = [&](Tensor& tensor) {
        if (tensor.defined()) tensor = tensor.to(torch_device_, /*non_blocking=*/pinned);
    };
    for (auto& [name, field] : batch.fields) {
        if (auto* tensor = std::get_if<Tensor>(&field)) move(*tensor);
        if (auto* list = std::get_if<std::vector<Tensor>>(&field))
            for (Tensor& tensor : *list) move(tensor);
    }
}

// ---- training

/// Of the present batch. Collective where broken samples are left out.
int Runner::ranks_with_samples(const PhaseData& data) {
    const int all = job_.world_size();
    if (!data.loader->options().may_skip()) return int(std::min<int64_t>(batch_.global_size, all));
    Tensor ranks = at::full({1}, int64_t(batch_.size > 0), at::kLong);
    job_.all_reduce_sum(ranks);
    return int(ranks.item<int64_t>());
}

/// The iterations from here to the next step, which never reaches over the end of its phase.
void Runner::begin_step(PhaseData& data) {
    const Loader& loader = *data.loader;
    AccumulationWindow window{.step = workflow_.position().step};
    window.iterations = std::min(config_.accumulative_counts, progress_.iters - progress_.iter);
    for (int64_t i = 0; i < window.iterations; ++i) window.assigned += loader.slice(i).global_size;
    step_.begin(window);
    if (!step_.looks_ahead(window.iterations)) return;
    std::vector<const Batch*> batches;
    for (int64_t i = 0; i < window.iterations; ++i) ahead_.push_back(fetch_batch(data));
    for (const Batch& batch : ahead_) batches.push_back(&batch);
    step_.look_ahead(batches);
}

void Runner::train_iteration() {
    PhaseData& data = modules_.data.at(Phase::train);
    beat();
    writer_.check();
    if (step_.done()) begin_step(data);
    take_batch(data);
    hooks_.call(*this, before_train_iter_);
    step_.run(batch_, sync_batch_norm_ ? ranks_with_samples(data) : 0);
    if (data.pads) record_padding();
    progress_.stepped = step_.done();
    workflow_.iterated(progress_.stepped);
    progress_.step = workflow_.position().step;
    progress_.train_iter = workflow_.position().train_iter;
    train_samples_ += batch_.global_size;
    if (seconds_to_first_step_ == 0) seconds_to_first_step_ = seconds_since_process_start();
    const auto now = Clock::now();
    const double took = seconds(now - std::exchange(last_timing_, now));
    timing_.iteration += took;
    loading_.running += took;
    ++loading_.iterations;
    ++timing_.iterations;
    hooks_.call(*this, after_train_iter_);
    return_batch(data);
    step_.drop_terms();
    gradient_watch_.count(progress_.stepped);
    if (foreseen_) std::rethrow_exception(foreseen_);
    if (progress_.stepped) {
        tell_if_never_reached();
        serve_roll_back();
        serve_requests();
    }
}

// ---- evaluation

void Runner::evaluate_iteration() {
    PhaseData& data = modules_.data.at(progress_.phase);
    const bool val = progress_.phase == Phase::val;
    beat();
    writer_.check();
    take_batch(data);
    call(val ? &Hook::before_val_iter : &Hook::before_test_iter, "before iteration");
    if (batch_.size > 0) {
        job_.doing("forward");
        const BatchPlan::Slice slice = data.loader->slice(-1);
        // Without what this rank has left out.
        evaluator_.add(batch_,
                       data.loader->plan().summed_size(slice) - (slice.size() - batch_.size));
    }
    call(val ? &Hook::after_val_iter : &Hook::after_test_iter, "after iteration");
    return_batch(data);
}

/// Buffers (running means) are each rank's own while training; rank 0's are validated and saved.
void Runner::broadcast_buffers() {
    if (modules_.step.broadcast_buffers) broadcast_from_first(job_, modules_.model->buffers());
}

}  // namespace ailab
