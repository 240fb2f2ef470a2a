#include "batch_maker.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "ailab/log.hpp"
#include "config/memory_error.hpp"
#include "host/file_watch.hpp"
#include "memory_format.hpp"
#include "modules/fields.hpp"

namespace ailab {

namespace {

/// Batches draw from another stream than samples, whose key has the epoch alone here.
constexpr uint64_t batch_stream = uint64_t(1) << 62;

/// "sample 7", or "a batch of samples 7, 3, 12, …".
std::string sample_numbers(const std::vector<int64_t>& ids) {
    constexpr size_t most = 8;
    std::string names = concat(ids.size() == 1 ? "sample " : "a batch of samples ", ids.front());
    for (size_t i = 1; i < ids.size() && i < most; ++i) names += concat(", ", ids[i]);
    return names + (ids.size() > most ? ", …" : "");
}

[[noreturn]] void rethrow_for(const LoaderOptions& options, const std::string& which) {
    try {
        throw;
    } catch (const std::exception& error) {
        if (is_about_memory(error))
            throw Error(concat(options.name, ", ", which,
                               ": there is not enough memory for it, or for a batch of ",
                               options.plan.batch_size, " like it; set a smaller ", options.name,
                               "_dataloader.batch_size, or let the transforms make it smaller"));
        throw Error(concat(options.name, ", ", which, ": ", error.what()));
    } catch (...) {
        throw Error(concat(options.name, ", ", which, ": an exception of unknown type"));
    }
}

/// The last sample alone, in memory of its own.
Batch last_sample(const Batch& batch) {
    Batch last = sample_of_batch(batch, batch.size - 1, batch.specs.get());
    last.specs = batch.specs;
    last.ids = {batch.ids.back()};
    last.size = last.global_size = 1;
    return last;
}

}  // namespace

/// What is assigned to this rank for one batch.
struct BatchMaker::Share {
    const EpochOrder& order;
    BatchPlan::Slice slice;
    int64_t batch_number;  // in the epoch, over the whole job
    SampleContext context;
    MakeProgress* progress = nullptr;  // or none

    void begin(int64_t sample) const {
        if (progress) progress->at(sample);
    }
    int64_t id(int64_t position) const { return order.ids[size_t(position)]; }
    SampleContext context_of(int64_t position) const {
        SampleContext own = context;
        own.repeat = order.repeat(position);
        return own;
    }
};

BatchPlan::Slice BatchMaker::slice(int64_t number) {
    const int64_t epoch = number / iterations(), iteration = number % iterations();
    if (!options_.plan.own_batches) return options_.plan.slice(iteration);
    return options_.plan.slice(iteration, orders_.get(options_, epoch)->ends);
}

MadeBatch BatchMaker::make(int64_t number, Batch reused, MakeProgress* progress) {
    MadeBatch made;
    if (progress) progress->begin(number);
    made.batch = std::move(reused);
    FileUses files;
    try {
        const int64_t epoch = number / iterations(), iteration = number % iterations();
        const auto order = orders_.get(options_, epoch);
        const BatchPlan::Slice slice = options_.plan.slice(iteration, order->ends);
        made.assigned = slice.size();
        Share share{*order, slice, options_.plan.batch_number(iteration), options_.context};
        share.progress = progress;
        share.context.epoch = epoch;
        share.context.tolerant = options_.skip_broken;
        if (options_.whole_batches()) {
            fill(share, made);
        } else {
            SampleRecord record;
            fill(share, made);
            made.times = record.times();
        }
        if (options_.pins) pin(made);
    } catch (...) {
        made.batch = Batch();
        made.error = std::current_exception();
    }
    try {
        // Now that it is made: what a file holds that was changed explains every other error.
        files.check();
    } catch (...) {
        made.batch = Batch();
        made.error = std::current_exception();
    }
    return made;
}

void BatchMaker::fill(const Share& share, MadeBatch& made) {
    Batch& batch = made.batch;
    if (share.slice.size() == 0) {
        batch = Batch();
        batch.global_size = share.slice.global_size;
        return;
    }
    if (options_.whole_batches()) {
        const auto first = share.order.ids.begin();
        fill_whole(share, {first + share.slice.begin, first + share.slice.end}, batch);
    } else {
        fill_by_sample(share, made);
    }
    // Of a training batch it is not known here what other ranks left out.
    batch.global_size = options_.plan.evaluation ? batch.size : share.slice.global_size;
    if (share.batch_number == 0 && share.context.epoch == 0 && options_.plan.rank == 0)
        warn_of_rounding(batch);
    finish_fields(batch);
    if (options_.batch_transform && batch.size > 0) transform_batch(share, batch);
}

void BatchMaker::fill_whole(const Share& share, const std::vector<int64_t>& ids,
                            Batch& batch) const {
    batch.ids = ids;
    batch.size = int64_t(ids.size());
    share.begin(ids.front());
    try {
        options_.dataset->get_batch(ids, share.context.inside(), batch);
    } catch (...) {
        rethrow_for(options_, sample_numbers(ids));
    }
}

void BatchMaker::fill_by_sample(const Share& share, MadeBatch& made) const {
    BatchBuilder builder(options_, made.batch, share.slice.size());
    for (int64_t i = share.slice.begin; i < share.slice.end; ++i) {
        if (share.progress && share.progress->is_called_off())
            throw Error(concat(options_.name, ": this batch was called off"));
        add(share, i, builder, made.faults);
    }
    try {
        builder.finish();
    } catch (...) {
        rethrow_for(options_, sample_numbers(made.batch.ids));
    }
}

/// Whether the sample at `position` is in the batch now. A broken one is left out if that is
/// wanted.
bool BatchMaker::add(const Share& share, int64_t position, BatchBuilder& builder,
                     std::vector<SampleFault>& faults) const {
    const int64_t id = share.id(position);
    const Dataset& dataset = *options_.dataset;
    share.begin(id);
    try {
        builder.add(id, share.context_of(position));
    } catch (const BrokenSample& error) {
        if (!options_.skip_broken) rethrow_for(options_, sample_label(dataset, id));
        SampleRecord::take_damage();
        faults.push_back({id, dataset.sample_name(id), error.what(), false});
        return false;
    } catch (...) {
        rethrow_for(options_, sample_label(dataset, id));
    }
    if (const std::vector<std::string> damage = SampleRecord::take_damage(); !damage.empty())
        faults.push_back({id, dataset.sample_name(id), join(damage, "; "), true});
    return true;
}

// ---- transforms of whole batches

void BatchMaker::transform_batch(const Share& share, Batch& batch) const {
    const Batch before = sample_before(share, batch);
    const Philox random(share.context.seed, uint64_t(share.context.epoch) | batch_stream,
                        uint64_t(share.batch_number));
    share.begin(MakeProgress::no_sample);
    try {
        const StageTimer timer(LoadStage::transform);
        options_.batch_transform->apply_batch(batch, before, random);
    } catch (...) {
        rethrow_for(options_, sample_numbers(batch.ids));
    }
    finish_fields(batch);
}

/// The sample that precedes this rank's first in the global batch, the last one preceding the
/// first; of those that can be used.
Batch BatchMaker::sample_before(const Share& share, const Batch& batch) const {
    const BatchPlan::Slice& slice = share.slice;
    const int64_t others = slice.global_size - slice.size();
    for (int64_t i = 1; i <= others; ++i) {
        const int64_t place = slice.begin - slice.global_begin - i;
        Batch one;
        if (make_one(share, slice.global_begin + (place + slice.global_size) % slice.global_size,
                     one))
            return one;
    }
    return last_sample(batch);
}

/// The sample at `position` as its own rank makes it, which counts what is wrong with it.
bool BatchMaker::make_one(const Share& share, int64_t position, Batch& batch) const {
    if (options_.whole_batches()) {
        fill_whole(share, {share.id(position)}, batch);
    } else {
        std::vector<SampleFault> faults;
        BatchBuilder builder(options_, batch, 1);
        if (!add(share, position, builder, faults)) return false;
        builder.finish();
    }
    batch.global_size = 1;
    finish_fields(batch);
    return true;
}

bool BatchMaker::keeps_double(const std::string& field) const {
    const auto& rounded = options_.model_fields;
    return rounded && std::find(rounded->begin(), rounded->end(), field) == rounded->end();
}

/// Of float64 in whose place the model and the loss get float32: what the samples differ by may lie
/// below its digits, as that of times or coordinates does.
void BatchMaker::warn_of_rounding(const Batch& batch) const {
    if (options_.dtype != at::kFloat) return;
    for (const auto& [name, field] : batch.fields) {
        const auto* tensor = std::get_if<Tensor>(&field);
        if (!tensor || !tensor->defined() || tensor->scalar_type() != at::kDouble ||
            tensor->dim() == 0 || tensor->numel() == 0)
            continue;
        // Each number of a sample by itself: they may be of different size.
        const Tensor error = (*tensor - tensor->to(at::kFloat)).abs_().amax(0);
        const Tensor spread = tensor->std(0, /*unbiased=*/false);
        constexpr double much = 0.01, own_rounding = 1e-13;
        const Tensor differs = spread.gt(tensor->abs().amax(0).mul_(own_rounding));
        const Tensor lost = error.gt(spread * much).logical_and_(differs);
        if (!lost.any().item<bool>()) continue;
        log_warning(
            options_.name, ": the field \"", name, "\" is float64 and becomes float32 for the ",
            keeps_double(name) ? "loss" : "model and the loss", ": it is rounded by up to ",
            error.masked_select(lost).max().item<double>(), " where the samples differ by about ",
            spread.masked_select(lost).min().item<double>(),
            ". Set runtime.dtype: float64, or let the data set subtract the mean");
    }
}

/// What the step would otherwise have to do on the main thread.
void BatchMaker::finish_fields(Batch& batch) const {
    for (auto& [name, field] : batch.fields) {
        auto* tensor = std::get_if<Tensor>(&field);
        if (!tensor || !tensor->defined() || !tensor->is_floating_point()) continue;
        const at::ScalarType type = tensor->scalar_type();
        if (type != options_.dtype && !(type == at::kDouble && keeps_double(name)))
            *tensor = tensor->to(options_.dtype);
        if (options_.channels_last && tensor->dim() == 4) *tensor = to_channels_last(*tensor);
    }
}

/// Copies to a device are asynchronous from pinned memory alone. Its allocator gives memory out
/// again only when the copies from it are done, so that pinned batches need not be kept for that.
void BatchMaker::pin(MadeBatch& made) const {
    for (auto& [name, field] : made.batch.fields) {
        if (auto* tensor = std::get_if<Tensor>(&field); tensor && tensor->defined()) {
            Tensor pinned = options_.pins->pin(*tensor);
            if (!pinned.is_same(*tensor)) made.spare.fields[name] = std::exchange(*tensor, pinned);
        } else if (auto* list = std::get_if<std::vector<Tensor>>(&field)) {
            for (Tensor& item : *list) item = options_.pins->pin(item);
        }
    }
}

}  // namespace ailab
