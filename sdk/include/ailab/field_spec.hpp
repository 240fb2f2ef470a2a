#pragma once
// What a data set says of the fields of its samples.
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ailab/export.hpp"

namespace ailab {

/// What a field is, for transforms that move the pixels of an image and with them what lies on it.
enum class FieldRole {
    /// Nothing that lies on an image: stays as it is.
    other,
    /// An Image, or pixels [C, H, W]: resampled as the transform's options say. All images of a
    /// sample are of one size.
    image,
    /// A number a pixel: an Image of mode `unchanged`, [H, W], or several, [n, H, W]. The nearest
    /// pixel is taken.
    mask,
    /// [n, 4], floating point: left, top, right, bottom in pixels, 0 being the left border of the
    /// image's first pixel and its width the right border of the last. A box becomes the smallest
    /// one that holds its moved corners, clipped to the image. One of which nothing is left is
    /// dropped, with what belongs to it.
    boxes,
    /// [..., 2], floating point: x and y, measured as boxes are; or [..., 3] with a visibility, 0
    /// being "not there". One that leaves the image gets x = y = visibility = 0, or without a
    /// visibility stays outside.
    keypoints,
    /// What the sample or a box is: stays as it is.
    label,
};

/// How the values of a field lie in a batch of N samples.
enum class BatchLayout {
    /// As the values come: one tensor where all have the same shape, else a list. So it is for
    /// fields of which nothing is said.
    automatic,
    /// [N, ...]: all have the same shape.
    stack,
    /// A list of N tensors; of texts.
    list,
    /// [N, ...]: each is filled up to the size of the batch's largest. The sizes that they had are
    /// in the field `<name>_length`, int64 [N], or with several pad_dims [N, dims]. A rank looks at
    /// its own samples alone: what is computed from the filling depends on the number of ranks, so
    /// models leave it out. Its share of the numbers is logged in training as `<name>_padding`.
    pad,
    /// [sum of n, ...]: one after another along the first dimension. Where each begins, and the
    /// last ends, is in the field `<name>_offsets`, int64 [N+1].
    concat,
};

/// One field of a data set's samples.
struct FieldSpec {
    std::string name;
    FieldRole role = FieldRole::other;
    BatchLayout layout = BatchLayout::automatic;
    /// Of what the data set gives; null: any. Transforms may change it.
    std::optional<at::ScalarType> dtype = {};

    /// Layout pad: what is filled in, up to a multiple of what, in which dimensions of a sample
    /// (from 0; below 0 they count from the last).
    double pad_value = 0;
    int64_t pad_multiple = 1;
    std::vector<int64_t> pad_dims = {0};

    /// The field of boxes whose n things this has a row each of, in its first dimension: dropped
    /// with them.
    std::string belongs_to = "";
    /// Keypoints: which one each becomes (in the last dimension but one) when the image is
    /// mirrored, as the left eye becomes the right one. Empty: all stay.
    std::vector<int64_t> flip_indices = {};

    bool operator==(const FieldSpec&) const = default;
};

using FieldSpecs = std::vector<FieldSpec>;

/// "tokens_length": what a batch has beside a padded field.
inline std::string length_field(const std::string& field) {
    return field + "_length";
}
/// "nodes_offsets": what a batch has beside a concatenated field.
inline std::string offsets_field(const std::string& field) {
    return field + "_offsets";
}

}  // namespace ailab
