#pragma once
// Samples and batches: named fields. A field is a tensor, a list of tensors of different sizes
// (boxes), or text; in a sample also an image that is not decoded yet.
#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "ailab/error.hpp"
#include "ailab/field_spec.hpp"
#include "ailab/image.hpp"

namespace ailab {

using Tensor = at::Tensor;

using SampleField = std::variant<Tensor, std::string, ImagePtr>;
using BatchField = std::variant<Tensor, std::vector<Tensor>, std::vector<std::string>>;

/// One sample, as a dataset gives it. The usual one is {"input", "target"}.
struct AILAB_API Sample {
    Sample() = default;
    Sample(Tensor input, Tensor target);

    bool has(const std::string& name) const { return fields.count(name) != 0; }
    void set(const std::string& name, SampleField value) { fields[name] = std::move(value); }
    /// The field as a tensor; an image becomes its pixels, [C, H, W], for good. Throws Error that
    /// lists the fields when it is missing or text.
    Tensor& tensor(const std::string& name);
    /// The same, but throws for an image.
    const Tensor& tensor(const std::string& name) const;
    /// All images become their pixels.
    void decode();

    std::map<std::string, SampleField> fields;
    /// What the data set says of the fields; null: nothing. Filled in behind Dataset::get().
    std::shared_ptr<const FieldSpecs> specs;
};

/// A batch, or the inputs of a module bound by name. Tensors have the samples along dimension 0,
/// but for fields of BatchLayout::concat. Tensors are shared, not copied, when a Batch is copied.
class AILAB_API Batch {
  public:
    Batch() = default;
    /// The usual batch: fields `input` and `target`.
    Batch(Tensor input, Tensor target);
    Batch(std::initializer_list<std::pair<const std::string, BatchField>> fields)
        : fields(fields) {}

    bool has(const std::string& name) const { return fields.count(name) != 0; }
    /// The field as a tensor. Throws Error that lists the fields when it is missing or no tensor.
    const Tensor& tensor(const std::string& name) const;
    /// Null where it is missing or no tensor.
    const Tensor* find_tensor(const std::string& name) const;
    const std::vector<Tensor>& tensors(const std::string& name) const;
    const std::vector<std::string>& strings(const std::string& name) const;
    void set(const std::string& name, BatchField value) { fields[name] = std::move(value); }

    /// "input [32, 1, 28, 28] float32, target [32] int64": for messages.
    std::string describe() const;

    std::map<std::string, BatchField> fields;
    /// What the data set says of the fields; null: nothing.
    std::shared_ptr<const FieldSpecs> specs;
    /// The samples' numbers in their dataset, one a sample, in order.
    std::vector<int64_t> ids;
    /// Samples here, on this rank.
    int64_t size = 0;
    /// Samples in this batch over all ranks. Evaluation batches belong to one rank: equal to size.
    int64_t global_size = 0;
};

/// Stacks samples field by field, as their specs say: see BatchLayout. Without: tensors of one
/// shape to a tensor with a new first dimension, tensors of different shapes to a list, text to a
/// list. Throws Error when fields differ, when values do not fit their layout, or when a sample
/// holds an image that was not decoded.
AILAB_API Batch stack(const std::vector<Sample>& samples);

}  // namespace ailab
