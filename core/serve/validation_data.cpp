#include "validation_data.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "ailab/transform.hpp"
#include "modules/fields.hpp"

namespace ailab {
namespace {

const ModuleSpec<Dataset>& find(const RunConfig& config) {
    if (config.data.val) return config.data.val;
    if (config.data.test) return config.data.test;
    throw ConfigError({{place_of(config.source, "data"),
                        "there is neither data.val nor data.test, whose transforms say what the "
                        "model is fed; add one"}});
}

std::vector<std::shared_ptr<const Transform>> of_samples(
    std::vector<std::shared_ptr<const Transform>> transforms) {
    std::erase_if(transforms, [](const auto& transform) { return transform->by_batch(); });
    return transforms;
}

}  // namespace

ValidationData::ValidationData(const RunConfig& config)
    : config_(find(config).config),
      dataset_(find(config).create()),
      specs_(specs_of(*dataset_)),
      transforms_(of_samples(make_transforms(*dataset_, config_))) {}

std::optional<ImageInput> ValidationData::image_input() const {
    std::optional<ImageInput> image = dataset_->image_input();
    if (!image) return image;
    const Node own = write_transforms(*dataset_, config_);
    for (const Node& transform : own.items()) image->transforms.items().push_back(transform);
    return image;
}

Sample ValidationData::sample(int64_t index) const {
    const SampleContext context;
    Sample sample = get_sample(*dataset_, index, context.inside(), specs_);
    Philox random = context.random(index);
    for (const auto& transform : transforms_) transform->apply(sample, random);
    sample.decode();
    return sample;
}

at::Tensor ValidationData::inputs(const std::string& field, int64_t count) const {
    std::vector<at::Tensor> inputs;
    for (int64_t i = 0; i < std::min(count, dataset_->size()); ++i)
        inputs.push_back(sample(i).tensor(field));
    if (inputs.empty()) throw Error("the validation data have no samples");
    return at::stack(inputs);
}

}  // namespace ailab
