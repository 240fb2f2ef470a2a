#include "ailab/batch.hpp"

#include <ATen/ATen.h>

#include <sstream>

#include "ailab/dataset.hpp"
#include "ailab/transform.hpp"
#include "fields.hpp"

namespace ailab {

Sample::Sample(Tensor input, Tensor target) {
    fields.emplace("input", std::move(input));
    fields.emplace("target", std::move(target));
}

namespace {

template <class Field>
std::string names_of(const std::map<std::string, Field>& fields) {
    std::vector<std::string> names;
    for (const auto& [name, field] : fields) names.push_back(name);
    return names.empty() ? "none" : join(names);
}

Tensor pixels_of(const Image& image) {
    const StageTimer timer(LoadStage::decode);
    return image.pixels();
}

std::string shape_text(const Tensor& tensor) {
    std::ostringstream out;
    out << tensor.sizes() << ' ' << c10::toString(tensor.scalar_type());
    return out.str();
}

/// A list is what samples of different shapes become: says which sample differs from the first.
std::string list_text(const std::vector<Tensor>& list, const std::vector<int64_t>& ids) {
    std::string text = concat("list of ", list.size(), " tensors");
    for (size_t i = 1; i < list.size() && ids.size() == list.size(); ++i)
        if (list[i].sizes() != list[0].sizes())
            return concat(text, " of different shapes: sample ", ids[0], " has ",
                          shape_text(list[0]), ", sample ", ids[i], " ", shape_text(list[i]));
    return text;
}

template <class Wanted>
const Wanted& field_as(const Batch& batch, const std::string& name, const char* wanted) {
    const auto found = batch.fields.find(name);
    if (found == batch.fields.end())
        throw Error(concat("there is no field \"", name, "\" here; there are: ", batch.describe()));
    const auto* value = std::get_if<Wanted>(&found->second);
    if (!value) {
        const bool unlike = std::holds_alternative<std::vector<Tensor>>(found->second);
        throw Error(concat("field \"", name, "\" is not ", wanted,
                           "; there are: ", batch.describe(),
                           unlike ? ". Samples of one shape become a tensor: let a transform "
                                    "resize or crop them"
                                  : ""));
    }
    return *value;
}

}  // namespace

const Tensor& Sample::tensor(const std::string& name) const {
    const auto found = fields.find(name);
    const Tensor* tensor = found == fields.end() ? nullptr : std::get_if<Tensor>(&found->second);
    if (!tensor)
        throw Error(
            concat("the sample has no tensor \"", name, "\"; its fields: ", names_of(fields)));
    return *tensor;
}

Tensor& Sample::tensor(const std::string& name) {
    const auto found = fields.find(name);
    if (found != fields.end())
        if (const auto* image = std::get_if<ImagePtr>(&found->second))
            found->second = pixels_of(**image);
    return const_cast<Tensor&>(std::as_const(*this).tensor(name));
}

void Sample::decode() {
    for (auto& [name, field] : fields)
        if (const auto* image = std::get_if<ImagePtr>(&field)) field = pixels_of(**image);
}

Batch::Batch(Tensor input, Tensor target) {
    size = global_size = input.dim() ? input.size(0) : 0;
    fields.emplace("input", std::move(input));
    fields.emplace("target", std::move(target));
}

const Tensor& Batch::tensor(const std::string& name) const {
    return field_as<Tensor>(*this, name, "a tensor");
}
const Tensor* Batch::find_tensor(const std::string& name) const {
    const auto field = fields.find(name);
    return field == fields.end() ? nullptr : std::get_if<Tensor>(&field->second);
}
const std::vector<Tensor>& Batch::tensors(const std::string& name) const {
    return field_as<std::vector<Tensor>>(*this, name, "a list of tensors");
}
const std::vector<std::string>& Batch::strings(const std::string& name) const {
    return field_as<std::vector<std::string>>(*this, name, "text");
}

std::string Batch::describe() const {
    std::vector<std::string> parts;
    for (const auto& [name, field] : fields) {
        if (const auto* tensor = std::get_if<Tensor>(&field))
            parts.push_back(name + " " + (tensor->defined() ? shape_text(*tensor) : "undefined"));
        else if (const auto* list = std::get_if<std::vector<Tensor>>(&field))
            parts.push_back(concat(name, " (", list_text(*list, ids), ")"));
        else
            parts.push_back(
                concat(name, " (", std::get<std::vector<std::string>>(field).size(), " strings)"));
    }
    return parts.empty() ? "none" : join(parts);
}

namespace {

void stack_field(const std::string& name, const std::vector<Sample>& samples, Batch& batch) {
    const SampleField& first = samples[0].fields.at(name);
    if (std::holds_alternative<std::string>(first)) {
        std::vector<std::string> texts;
        for (const Sample& sample : samples) {
            const auto* text = std::get_if<std::string>(&sample.fields.at(name));
            if (!text) throw Error(concat("field \"", name, "\" is text in some samples only"));
            texts.push_back(*text);
        }
        return batch.set(name, std::move(texts));
    }
    if (std::holds_alternative<ImagePtr>(first))
        throw Error(concat("field \"", name, "\" is an image that was not decoded"));
    const FieldSpec* spec = find_spec(samples[0].specs.get(), name);
    std::vector<Tensor> tensors;
    for (const Sample& sample : samples) {
        tensors.push_back(sample.tensor(name));
        if (tensors.back().scalar_type() != tensors[0].scalar_type())
            throw Error(concat("field \"", name, "\" has different types: ", shape_text(tensors[0]),
                               " and ", shape_text(tensors.back())));
        if (spec && !is_alike_in_batch(*spec, tensors.back(), tensors[0]))
            throw Error(
                unlike_in_batch(*spec, tensors.back(), tensors[0], "the batch's first sample"));
    }
    put_field(batch, spec ? *spec : FieldSpec{.name = name}, std::move(tensors));
}

}  // namespace

Batch stack(const std::vector<Sample>& samples) {
    Batch batch;
    batch.size = batch.global_size = int64_t(samples.size());
    if (samples.empty()) return batch;
    for (const Sample& sample : samples)
        if (names_of(sample.fields) != names_of(samples[0].fields))
            throw Error(concat("samples of one batch have different fields: ",
                               names_of(samples[0].fields), " and ", names_of(sample.fields)));
    for (const auto& [name, field] : samples[0].fields) stack_field(name, samples, batch);
    return batch;
}

Dataset::~Dataset() = default;

std::string Dataset::sample_name(int64_t) const {
    return "";
}

std::vector<int64_t> Dataset::shuffled(uint64_t seed, int64_t epoch) const {
    return permutation(size(), seed, uint64_t(epoch));
}

Sample Dataset::get(int64_t, const SampleContext&) const {
    throw Error("this dataset gives whole batches only: override get() to ask for one sample");
}

void Dataset::get_batch(std::span<const int64_t>, const SampleContext&, Batch&) const {
    throw Error("has_batches() is true but get_batch() is not overridden");
}

void Transform::apply(Sample&, Philox&) const {
    throw Error("the transform overrides neither apply() nor apply_batch()");
}

std::optional<FieldLayout> Transform::layout(const Sample&) const {
    return std::nullopt;
}

void Transform::write(Sample&, Philox&, Tensor&) const {
    throw Error("the transform gives a layout() and does not override write()");
}

void Transform::apply_batch(Batch&, const Batch&, Philox) const {
    throw Error("by_batch() is true but apply_batch() is not overridden");
}

Tensor& ensure(Batch& batch, const std::string& name, at::IntArrayRef shape, at::ScalarType dtype,
               bool channels_last) {
    BatchField& field = batch.fields[name];
    if (!std::holds_alternative<Tensor>(field)) field = Tensor();
    Tensor& tensor = std::get<Tensor>(field);
    // Memory of a device is not what a loader writes to.
    const bool reusable = tensor.defined() && tensor.is_cpu() && tensor.use_count() == 1 &&
                          tensor.sizes() == shape && tensor.scalar_type() == dtype &&
                          tensor.storage().use_count() == 1;
    if (reusable) return tensor;
    if (channels_last && shape.size() == 4) {
        const int64_t n = shape[0], c = shape[1], h = shape[2], w = shape[3];
        // Explicit strides: for one channel empty(ChannelsLast) leaves strides that oneDNN takes
        // for the plain layout, which is slower.
        tensor = at::empty_strided({n, c, h, w}, {h * w * c, 1, w * c, c}, dtype);
    } else {
        tensor = at::empty(shape, dtype);
    }
    return tensor;
}

}  // namespace ailab
