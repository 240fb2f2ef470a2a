#include "image_pipeline.hpp"

#include <ATen/ATen.h>

#include "ailab/error.hpp"
#include "data/transform_list.hpp"

namespace ailab {

ImagePipeline::ImagePipeline(const ServedSpec& spec)
    : field_(spec.image->field),
      reader_(spec.image->reader),
      transforms_(make_transforms(spec.image->transforms, "transforms")),
      shape_(spec.input_shape),
      dtype_(input_type(spec)),
      channels_last_(spec.channels_last) {
    if (shape_.empty())
        throw Error("the shape of the model's input is not known, so no image file can be read");
    std::erase_if(transforms_, [](const auto& transform) { return transform->by_batch(); });
}

at::Tensor ImagePipeline::memory_for(int64_t images) const {
    std::vector<int64_t> shape = shape_;
    shape.insert(shape.begin(), images);
    Batch batch;
    return ensure(batch, field_, shape, dtype_, channels_last_ && shape_.size() == 3);
}

void ImagePipeline::check_shape(const std::string& file, at::IntArrayRef shape) const {
    if (shape != at::IntArrayRef(shape_))
        throw BrokenSample(concat(file, " becomes ", c10::str(shape), ", and the model is fed ",
                                  c10::str(at::IntArrayRef(shape_)),
                                  "; let the validation data's transforms resize or crop"));
}

void ImagePipeline::read(const std::string& file, at::Tensor& place) const {
    const SampleContext context;
    Sample sample;
    sample.set(field_, reader_.open(file, context));
    Philox random = context.random(0);
    for (size_t i = 0; i + 1 < transforms_.size(); ++i) transforms_[i]->apply(sample, random);
    if (!transforms_.empty()) {
        const Transform& last = *transforms_.back();
        const std::optional<FieldLayout> layout = last.layout(sample);
        if (layout && layout->field == field_ && layout->dtype == dtype_) {
            check_shape(file, layout->shape);
            return last.write(sample, random, place);
        }
        last.apply(sample, random);
    }
    const at::Tensor& pixels = sample.tensor(field_);
    check_shape(file, pixels.sizes());
    place.copy_(pixels);
}

}  // namespace ailab
