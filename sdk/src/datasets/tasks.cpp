#include <ATen/ATen.h>

#include "ailab/datasets/task.hpp"

namespace ailab {

namespace {

Sample sample_of(std::initializer_list<std::pair<const char*, SampleField>> fields) {
    Sample sample;
    for (const auto& [name, field] : fields) sample.set(name, field);
    return sample;
}

Tensor scalar(int64_t label) {
    return at::scalar_tensor(label, at::kLong);
}

}  // namespace

Sample Classification::sample() {
    return sample_of({{"input", input}, {"label", scalar(label)}});
}
Sample Regression::sample() {
    return sample_of({{"input", input}, {"target", target}});
}
Sample Detection::sample() {
    return sample_of({{"image", image}, {"boxes", boxes}, {"labels", labels}});
}
FieldSpecs Detection::field_specs() {
    return {{.name = "image", .role = FieldRole::image},
            {.name = "boxes", .role = FieldRole::boxes, .layout = BatchLayout::list},
            {.name = "labels",
             .role = FieldRole::label,
             .layout = BatchLayout::list,
             .belongs_to = "boxes"}};
}
Sample Segmentation::sample() {
    return sample_of({{"image", image}, {"mask", mask}});
}
FieldSpecs Segmentation::field_specs() {
    return {{.name = "image", .role = FieldRole::image}, {.name = "mask", .role = FieldRole::mask}};
}
Sample Keypoints::sample() {
    return sample_of({{"image", image}, {"keypoints", keypoints}});
}
FieldSpecs Keypoints::field_specs() {
    return {{.name = "image", .role = FieldRole::image},
            {.name = "keypoints", .role = FieldRole::keypoints}};
}
Sample Panoptic::sample() {
    return sample_of({{"image", image}, {"semantic", semantic}, {"instance", instance}});
}
FieldSpecs Panoptic::field_specs() {
    return {{.name = "image", .role = FieldRole::image},
            {.name = "semantic", .role = FieldRole::mask},
            {.name = "instance", .role = FieldRole::mask}};
}
Sample Video::sample() {
    return sample_of({{"frames", frames}, {"label", scalar(label)}});
}
Sample TimeSeries::sample() {
    return sample_of({{"series", series}, {"target", target}});
}
Sample Audio::sample() {
    return sample_of({{"audio", audio}, {"label", scalar(label)}});
}
Sample Speech::sample() {
    return sample_of({{"audio", audio}, {"text", text}});
}
Sample TextClassification::sample() {
    return sample_of({{"text", text}, {"label", scalar(label)}});
}
Sample SequenceToSequence::sample() {
    return sample_of({{"source", source}, {"target", target}});
}
Sample GraphClassification::sample() {
    return sample_of({{"graph", graph}, {"label", scalar(label)}});
}

}  // namespace ailab
