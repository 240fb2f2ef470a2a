#include "batch_builder.hpp"

#include <ATen/ATen.h>

#include <sstream>

#include "modules/fields.hpp"

namespace ailab {

namespace {

bool is_same(const FieldLayout& a, const FieldLayout& b) {
    return a.shape == b.shape && a.dtype == b.dtype && a.field == b.field;
}

/// "input [3, 224, 224] Float".
std::string layout_text(const std::optional<FieldLayout>& layout) {
    if (!layout) return "nothing";
    std::ostringstream out;
    out << layout->field << ' ' << at::IntArrayRef(layout->shape) << ' '
        << c10::toString(layout->dtype);
    return out.str();
}

}  // namespace

std::string sample_label(const Dataset& dataset, int64_t id) {
    const std::string name = dataset.sample_name(id);
    return name.empty() ? concat("sample ", id) : concat("sample ", id, " (", name, ")");
}

BatchBuilder::BatchBuilder(const LoaderOptions& options, Batch& batch, int64_t places)
    : options_(options), batch_(batch), places_(places) {
    samples_.reserve(size_t(places));
    ids_.reserve(size_t(places));
}

void BatchBuilder::add(int64_t id, const SampleContext& context) {
    Sample sample = get_sample(*options_.dataset, id, context.inside(), options_.specs);
    Philox random = context.random(id);
    const StageTimer timer(LoadStage::transform);
    const auto& transforms = options_.transforms;
    for (size_t i = 0; i + 1 < transforms.size(); ++i) transforms[i]->apply(sample, random);
    if (!transforms.empty() && !write(id, sample, random)) transforms.back()->apply(sample, random);
    sample.decode();
    if (options_.specs && !samples_.empty()) check_alike(sample);
    samples_.push_back(std::move(sample));
    ids_.push_back(id);
}

/// Has the last transform write its field into the next place, if it can.
bool BatchBuilder::write(int64_t id, Sample& sample, Philox& random) {
    const Transform& last = *options_.transforms.back();
    std::optional<FieldLayout> layout = last.layout(sample);
    // Values of several shapes have no place of their own yet.
    if (layout)
        if (const FieldSpec* spec = find_spec(options_.specs.get(), layout->field))
            if (spec->layout != BatchLayout::automatic && spec->layout != BatchLayout::stack)
                layout.reset();
    if (!samples_.empty()) {
        check_layout(id, layout);
    } else {
        memory_ = Tensor();
        layout_ = layout;
        if (layout) {
            std::vector<int64_t> shape = layout->shape;
            shape.insert(shape.begin(), places_);
            memory_ = memory_for(layout->field, shape, layout->dtype);
        }
    }
    if (!layout) return false;
    Tensor place = memory_.select(0, int64_t(samples_.size()));
    last.write(sample, random, place);
    sample.fields.erase(layout->field);
    return true;
}

Tensor BatchBuilder::memory_for(const std::string& field, at::IntArrayRef shape,
                                at::ScalarType dtype) {
    if (!options_.pins) return ensure(batch_, field, shape, dtype, options_.channels_last);
    Batch none;
    const Tensor like = ensure(none, field, shape, dtype, options_.channels_last);
    return at::empty_strided(like.sizes(), like.strides(), like.options().pinned_memory(true));
}

void BatchBuilder::check_layout(int64_t id, const std::optional<FieldLayout>& layout) const {
    if (layout ? layout_ && is_same(*layout, *layout_) : !layout_) return;
    throw Error(concat(sample_label(*options_.dataset, ids_[0]), " gives ", layout_text(layout_),
                       ", and ", sample_label(*options_.dataset, id), " gives ",
                       layout_text(layout),
                       "; the samples of a batch must be alike: let the transforms resize or crop "
                       "them to one size"));
}

/// Whether the batch can hold this sample beside its first, as the data set declares the fields.
void BatchBuilder::check_alike(const Sample& sample) const {
    const Sample& first = samples_.front();
    for (const FieldSpec& spec : *options_.specs) {
        const auto one = sample.fields.find(spec.name), other = first.fields.find(spec.name);
        if (one == sample.fields.end() || other == first.fields.end()) continue;
        if (!is_alike_in_batch(spec, one->second, other->second))
            throw Error(unlike_in_batch(spec, one->second, other->second,
                                        sample_label(*options_.dataset, ids_[0])));
    }
}

void BatchBuilder::finish() {
    batch_.size = int64_t(samples_.size());
    batch_.ids = std::move(ids_);
    batch_.specs = options_.specs;
    if (samples_.empty()) {
        batch_.fields.clear();
        return;
    }
    batch_.fields = options_.dataset->collate(samples_).fields;
    if (!memory_.defined()) return;
    // Places stay empty when samples were left out.
    if (batch_.size < places_) memory_ = memory_.narrow(0, 0, batch_.size);
    batch_.fields[layout_->field] = std::move(memory_);
}

}  // namespace ailab
