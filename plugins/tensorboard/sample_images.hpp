#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ailab/batch.hpp"
#include "ailab/support/protobuf.hpp"

namespace ailab::tensorboard {

/// The first images of a batch, copied from it and from the device.
struct SampleImages {
    Tensor pixels;             // [n, C, H, W], uint8 or float32, C 1, 3 or 4
    std::vector<int64_t> ids;  // in the dataset
    Tensor targets;            // [n] int64, or undefined
    Tensor scores;             // [n, classes] float32 logits, or undefined
};

/// Takes up to `count` images from the field `input` or `image`, with targets and outputs where
/// they are a classification's. Nothing when the batch has no images.
std::optional<SampleImages> take_images(const Batch& batch, int64_t count);

/// A summary: an image each as "<phase>/sample_<id>", and as "<phase>/predictions" a table of what
/// the model said of them. The brightness of float images is stretched to the image's own range,
/// since nobody knows here how they were normalised.
wire::Message image_summary(const SampleImages& images, const std::string& phase);

}  // namespace ailab::tensorboard
