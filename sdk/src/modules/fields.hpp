#pragma once
// What a data set declares of its samples' fields, held against the samples.
#include <memory>
#include <string>
#include <vector>

#include "ailab/dataset.hpp"

namespace ailab {

/// Null where nothing is declared of it.
const FieldSpec* find_spec(const FieldSpecs* specs, const std::string& name);
/// Which field is the image: the first that `is` holds of, among those that are declared as one,
/// then "image" and "input". Null for none. Asked of each sample: nothing is copied.
template <class Is>
const std::string* find_image(const FieldSpecs* specs, const Is& is) {
    static const std::string usual[] = {"image", "input"};
    if (specs)
        for (const FieldSpec& spec : *specs)
            if (spec.role == FieldRole::image && is(spec.name)) return &spec.name;
    for (const std::string& name : usual)
        if (is(name)) return &name;
    return nullptr;
}

/// Asks the data set what it declares; null: nothing. Throws ConfigError (without a place) when
/// that makes no sense.
std::shared_ptr<const FieldSpecs> specs_of(const Dataset& dataset);

/// Sample `index`, with what is declared of it. Throws Error that names the field when that does
/// not hold.
Sample get_sample(const Dataset& dataset, int64_t index, const SampleContext& context,
                  const std::shared_ptr<const FieldSpecs>& specs);

/// Whether the values of two samples can lie in one batch as the spec wants it.
bool is_alike_in_batch(const FieldSpec& spec, const SampleField& value, const SampleField& first);
/// What is wrong where they cannot. `other`: what the sample of `first` is called.
std::string unlike_in_batch(const FieldSpec& spec, const SampleField& value,
                            const SampleField& first, const std::string& other);

/// The values of a field in a batch; what goes with them (lengths, offsets) is put in beside them.
/// The values are alike, see is_alike_in_batch().
void put_field(Batch& batch, const FieldSpec& spec, std::vector<Tensor> values);

/// Sample `index` of a batch alone, in memory of its own. Sizes and ids are the caller's.
Batch sample_of_batch(const Batch& batch, int64_t index, const FieldSpecs* specs);

/// Of the numbers of a batch's padded field those that are filled in, and all of them; 0 where the
/// data set has made something else of it.
struct Padding {
    double filled = 0;
    double all = 0;
};
Padding padding_of(const Batch& batch, const FieldSpec& spec);

}  // namespace ailab
