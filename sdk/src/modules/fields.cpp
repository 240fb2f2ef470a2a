#include "fields.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <sstream>

namespace ailab {

namespace {

std::string describe(const SampleField& field) {
    if (std::holds_alternative<std::string>(field)) return "text";
    if (std::holds_alternative<ImagePtr>(field)) return "an image";
    const Tensor& tensor = std::get<Tensor>(field);
    if (!tensor.defined()) return "undefined";
    std::ostringstream out;
    out << tensor.sizes() << ' ' << c10::toString(tensor.scalar_type());
    return out.str();
}

/// A dimension of a sample's value as the spec counts it; below 0 when there is none.
int64_t dimension(int64_t given, int64_t dims) {
    const int64_t from_first = given < 0 ? given + dims : given;
    return from_first < dims ? from_first : -1;
}

/// Whether values of any shapes, and texts, can lie so.
bool is_free(BatchLayout layout) {
    return layout == BatchLayout::automatic || layout == BatchLayout::list;
}

// ---- what a data set declares

std::string wrong_with(const FieldSpec& spec, const FieldSpecs& specs) {
    if (spec.name.empty()) return "one has no name";
    for (const FieldSpec& other : specs) {
        if (&other != &spec && other.name == spec.name) return "it is declared twice";
        if (other.layout == BatchLayout::pad && length_field(other.name) == spec.name)
            return concat("the lengths of \"", other.name, "\" are called so");
        if (other.layout == BatchLayout::concat && offsets_field(other.name) == spec.name)
            return concat("the offsets of \"", other.name, "\" are called so");
    }
    if (spec.layout == BatchLayout::pad) {
        if (spec.pad_multiple < 1)
            return concat("pad_multiple is ", spec.pad_multiple, ", and must be at least 1");
        if (spec.pad_dims.empty()) return "pad_dims is empty: name the dimensions that differ";
    }
    std::vector<int64_t> sorted = spec.flip_indices;
    std::sort(sorted.begin(), sorted.end());
    for (size_t i = 0; i < sorted.size(); ++i)
        if (sorted[i] != int64_t(i))
            return concat("flip_indices must have each number from 0 to ", sorted.size() - 1,
                          " once");
    if (!spec.flip_indices.empty() && spec.role != FieldRole::keypoints)
        return "flip_indices are for keypoints";
    if (spec.belongs_to.empty()) return "";
    const FieldSpec* owner = find_spec(&specs, spec.belongs_to);
    return owner && owner->role == FieldRole::boxes ? ""
                                                    : concat("belongs_to names \"", spec.belongs_to,
                                                             "\", which is not declared as boxes");
}

// ---- a sample

/// Boxes whose borders are in order, so that what is empty is empty.
std::string wrong_with_boxes(const Tensor& boxes) {
    if (boxes.dim() != 2 || boxes.size(1) != 4 || !boxes.is_floating_point())
        return concat("boxes are [n, 4] of floating point (without any: [0, 4]), and it holds ",
                      describe(boxes));
    const Tensor values = boxes.to(at::kDouble).contiguous();
    const auto* box = values.const_data_ptr<double>();
    for (int64_t i = 0; i < boxes.size(0); ++i, box += 4)
        if (!(box[0] <= box[2] && box[1] <= box[3]))
            return concat("box ", i, " is ", box[0], ", ", box[1], ", ", box[2], ", ", box[3],
                          "; they are left, top, right, bottom");
    return "";
}

std::string wrong_with_keypoints(const FieldSpec& spec, const Tensor& points) {
    const int64_t columns = points.dim() > 0 ? points.size(-1) : 0;
    if ((columns != 2 && columns != 3) || !points.is_floating_point())
        return concat("keypoints are [..., 2] or [..., 3] of floating point, and it holds ",
                      describe(points));
    const auto flipped = int64_t(spec.flip_indices.size());
    if (flipped > 0 && (points.dim() < 2 || points.size(-2) != flipped))
        return concat("flip_indices are for ", flipped, " keypoints, and it holds ",
                      describe(points));
    return "";
}

std::string wrong_with_tensor(const FieldSpec& spec, const Tensor& tensor) {
    if (!tensor.defined()) return "it is undefined";
    if (spec.dtype && tensor.scalar_type() != *spec.dtype)
        return concat("it is declared as ", c10::toString(*spec.dtype), " and holds ",
                      describe(tensor));
    if (spec.role == FieldRole::boxes) return wrong_with_boxes(tensor);
    if (spec.role == FieldRole::keypoints) return wrong_with_keypoints(spec, tensor);
    if ((spec.role == FieldRole::image || spec.role == FieldRole::mask) && tensor.dim() < 2)
        return concat("an image or a mask is [C, H, W] or [H, W], and it holds ", describe(tensor));
    return "";
}

std::string wrong_with_value(const FieldSpec& spec, const SampleField& field) {
    if (const auto* tensor = std::get_if<Tensor>(&field)) return wrong_with_tensor(spec, *tensor);
    const bool is_text = std::holds_alternative<std::string>(field);
    const bool fits = is_text ? (spec.role == FieldRole::other || spec.role == FieldRole::label) &&
                                    !spec.dtype && is_free(spec.layout)
                              : spec.role == FieldRole::image || spec.role == FieldRole::mask;
    return fits ? "" : concat("it is declared as a tensor and holds ", describe(field));
}

/// Rows that belong to boxes are as many.
std::string wrong_count(const FieldSpec& spec, const Sample& sample) {
    if (spec.belongs_to.empty()) return "";
    const auto* rows = std::get_if<Tensor>(&sample.fields.at(spec.name));
    const auto* boxes = std::get_if<Tensor>(&sample.fields.at(spec.belongs_to));
    if (rows && boxes && rows->dim() > 0 && rows->size(0) == boxes->size(0)) return "";
    return concat("it has ", describe(sample.fields.at(spec.name)), ", and belongs to ",
                  boxes ? concat(boxes->size(0)) : "no", " boxes (\"", spec.belongs_to, "\")");
}

void check_sample(const Sample& sample, const FieldSpecs& specs) {
    for (const FieldSpec& spec : specs) {
        const auto found = sample.fields.find(spec.name);
        if (found == sample.fields.end()) {
            std::vector<std::string> names;
            for (const auto& [name, field] : sample.fields) names.push_back(name);
            throw Error(concat("the sample has no field \"", spec.name,
                               "\", which the data set declares; its fields: ",
                               names.empty() ? "none" : join(names)));
        }
        if (const std::string wrong = wrong_with_value(spec, found->second); !wrong.empty())
            throw Error(concat("field \"", spec.name, "\": ", wrong));
    }
    for (const FieldSpec& spec : specs)
        if (const std::string wrong = wrong_count(spec, sample); !wrong.empty())
            throw Error(concat("field \"", spec.name, "\": ", wrong));
}

// ---- a batch

/// Whether the shapes agree in all dimensions but those that may differ.
bool fit_together(const FieldSpec& spec, const Tensor& one, const Tensor& other) {
    if (one.dim() != other.dim() || one.scalar_type() != other.scalar_type()) return false;
    if (spec.layout == BatchLayout::concat && one.dim() == 0) return false;
    std::vector<int64_t> free;
    if (spec.layout == BatchLayout::concat) free = {0};
    if (spec.layout == BatchLayout::pad)
        for (const int64_t given : spec.pad_dims) free.push_back(dimension(given, one.dim()));
    if (std::find(free.begin(), free.end(), -1) != free.end()) return false;
    for (int64_t i = 0; i < one.dim(); ++i)
        if (one.size(i) != other.size(i) && std::find(free.begin(), free.end(), i) == free.end())
            return false;
    return true;
}

void put_padded(Batch& batch, const FieldSpec& spec, const std::vector<Tensor>& values) {
    const auto count = int64_t(values.size()), dims = int64_t(spec.pad_dims.size());
    std::vector<int64_t> shape = values[0].sizes().vec();
    Tensor lengths = at::empty({count, dims}, at::kLong);
    auto* length = lengths.mutable_data_ptr<int64_t>();
    for (const int64_t given : spec.pad_dims) {
        const auto at = size_t(dimension(given, values[0].dim()));
        for (const Tensor& value : values) shape[at] = std::max(shape[at], value.size(int64_t(at)));
        shape[at] = (shape[at] + spec.pad_multiple - 1) / spec.pad_multiple * spec.pad_multiple;
    }
    shape.insert(shape.begin(), count);
    const Tensor padded = at::full(shape, spec.pad_value, values[0].options());
    for (int64_t i = 0; i < count; ++i) {
        const Tensor& value = values[size_t(i)];
        Tensor place = padded.select(0, i);
        for (const int64_t given : spec.pad_dims) {
            const int64_t at = dimension(given, value.dim());
            place = place.narrow(at, 0, value.size(at));
            *length++ = value.size(at);
        }
        place.copy_(value);
    }
    batch.set(spec.name, padded);
    batch.set(length_field(spec.name), dims == 1 ? lengths.squeeze(1) : lengths);
}

void put_concatenated(Batch& batch, const FieldSpec& spec, const std::vector<Tensor>& values) {
    Tensor offsets = at::zeros({int64_t(values.size()) + 1}, at::kLong);
    auto* offset = offsets.mutable_data_ptr<int64_t>();
    for (const Tensor& value : values) {
        offset[1] = offset[0] + value.size(0);
        ++offset;
    }
    batch.set(spec.name, at::cat(values));
    batch.set(offsets_field(spec.name), offsets);
}

}  // namespace

const FieldSpec* find_spec(const FieldSpecs* specs, const std::string& name) {
    if (!specs) return nullptr;
    for (const FieldSpec& spec : *specs)
        if (spec.name == name) return &spec;
    return nullptr;
}

std::shared_ptr<const FieldSpecs> specs_of(const Dataset& dataset) {
    FieldSpecs specs = dataset.field_specs();
    if (specs.empty()) return nullptr;
    for (const FieldSpec& spec : specs)
        if (const std::string wrong = wrong_with(spec, specs); !wrong.empty())
            throw ConfigError(concat("what the data set declares of its field \"", spec.name,
                                     "\" makes no sense: ", wrong));
    return std::make_shared<const FieldSpecs>(std::move(specs));
}

Sample get_sample(const Dataset& dataset, int64_t index, const SampleContext& context,
                  const std::shared_ptr<const FieldSpecs>& specs) {
    Sample sample = dataset.get(index, context);
    if (!specs) return sample;
    check_sample(sample, *specs);
    sample.specs = specs;
    return sample;
}

bool is_alike_in_batch(const FieldSpec& spec, const SampleField& value, const SampleField& first) {
    const auto* one = std::get_if<Tensor>(&value);
    const auto* other = std::get_if<Tensor>(&first);
    return is_free(spec.layout) || (one && other && fit_together(spec, *one, *other));
}

std::string unlike_in_batch(const FieldSpec& spec, const SampleField& value,
                            const SampleField& first, const std::string& other) {
    const char* wanted =
        spec.layout == BatchLayout::stack
            ? "must be of one shape in a batch: let the transforms resize or crop, or let the data "
              "set declare another layout"
        : spec.layout == BatchLayout::pad
            ? "must be of one shape but for the dimensions that are padded (pad_dims)"
            : "must be of one shape but for the first dimension";
    return concat("field \"", spec.name, "\" is ", describe(value), " here and ", describe(first),
                  " in ", other, "; its values ", wanted);
}

void put_field(Batch& batch, const FieldSpec& spec, std::vector<Tensor> values) {
    switch (spec.layout) {
        case BatchLayout::pad:
            return put_padded(batch, spec, values);
        case BatchLayout::concat:
            return put_concatenated(batch, spec, values);
        case BatchLayout::list:
            return batch.set(spec.name, std::move(values));
        case BatchLayout::stack:
            return batch.set(spec.name, at::stack(values));
        case BatchLayout::automatic:
            break;
    }
    const bool alike = std::all_of(values.begin(), values.end(), [&](const Tensor& value) {
        return value.sizes() == values[0].sizes();
    });
    if (alike)
        batch.set(spec.name, at::stack(values));
    else
        batch.set(spec.name, std::move(values));
}

Batch sample_of_batch(const Batch& batch, int64_t index, const FieldSpecs* specs) {
    Batch one;
    for (const auto& [name, field] : batch.fields) {
        if (const auto* list = std::get_if<std::vector<Tensor>>(&field))
            one.set(name, std::vector<Tensor>{list->at(size_t(index)).clone()});
        else if (const auto* texts = std::get_if<std::vector<std::string>>(&field))
            one.set(name, std::vector<std::string>{texts->at(size_t(index))});
        else if (const auto* spec = find_spec(specs, name);
                 !spec || spec->layout != BatchLayout::concat)
            one.set(name, std::get<Tensor>(field).narrow(0, index, 1).clone());
    }
    if (!specs) return one;
    for (const FieldSpec& spec : *specs) {
        if (spec.layout != BatchLayout::concat || !batch.has(spec.name)) continue;
        const std::string offsets = offsets_field(spec.name);
        const Tensor all = batch.tensor(offsets).to(at::kCPU);
        const auto* offset = all.const_data_ptr<int64_t>();
        const int64_t size = offset[index + 1] - offset[index];
        one.set(spec.name, batch.tensor(spec.name).narrow(0, offset[index], size).clone());
        one.set(offsets, at::tensor({int64_t(0), size}, at::kLong));
    }
    return one;
}

Padding padding_of(const Batch& batch, const FieldSpec& spec) {
    const auto tensor_of = [&](const std::string& name) {
        const Tensor* tensor = batch.find_tensor(name);
        return tensor && tensor->dim() > 0 && tensor->size(0) == batch.size ? *tensor : Tensor();
    };
    const Tensor padded = tensor_of(spec.name);
    Tensor lengths = tensor_of(length_field(spec.name));
    if (batch.size == 0 || !padded.defined() || !lengths.defined()) return {};
    lengths = lengths.reshape({batch.size, -1});
    // The numbers of one value for each place of the dimensions that are padded.
    double all = 1;
    for (const int64_t given : spec.pad_dims)
        all *= double(padded.size(dimension(given, padded.dim() - 1) + 1));
    const double rest = all > 0 ? double(padded.numel()) / double(batch.size) / all : 0;
    const double there = lengths.prod(1).sum().item<double>();
    return {(all * double(batch.size) - there) * rest, double(padded.numel())};
}

// ---- what data sets say

std::vector<std::string> Dataset::fields() const {
    std::vector<std::string> names;
    for (const FieldSpec& spec : field_specs()) names.push_back(spec.name);
    return names.empty() ? std::vector<std::string>{"input", "target"} : names;
}

std::vector<std::string> batch_fields(const Dataset& dataset) {
    std::vector<std::string> names = dataset.fields();
    if (names.empty()) return names;
    for (const FieldSpec& spec : dataset.field_specs()) {
        if (spec.layout == BatchLayout::pad) names.push_back(length_field(spec.name));
        if (spec.layout == BatchLayout::concat) names.push_back(offsets_field(spec.name));
    }
    return names;
}

}  // namespace ailab
