#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ailab/batch.hpp"
#include "ailab/geometry.hpp"
#include "ailab/random.hpp"
#include "ailab/registry.hpp"

namespace ailab {

/// A field of one sample as it will lie in the batch's memory.
struct FieldLayout {
    std::string field;
    std::vector<int64_t> shape;
    at::ScalarType dtype = at::kFloat;
};

/// Changes a sample, one after another as `transforms:` of the dataset lists them. Called from
/// several threads at once; `random` is the sample's own generator.
///
/// Images are the fields that the data set declares as such, or "image", or "input": an Image until
/// somebody asks for pixels, then a tensor [C, H, W], uint8 (0 … 255) with the memory order H, W, C
/// as a rule. What moves pixels moves all fields that lie on the image (masks, boxes, keypoints):
/// derive from GeometricTransform, or call move_fields().
class AILAB_API Transform {
  public:
    virtual ~Transform();
    /// Throws BrokenSample for an image that cannot be decoded.
    virtual void apply(Sample& sample, Philox& random) const;

    /// Asked of the last transform that changes samples, in place of apply(): the field that it can
    /// write straight into the batch's memory, or nothing.
    virtual std::optional<FieldLayout> layout(const Sample& sample) const;
    /// Writes that field to `out`, which has the layout's shape and dtype and any strides, and
    /// leaves it out of the sample.
    virtual void write(Sample& sample, Philox& random, Tensor& out) const;

    /// Whether this changes whole batches (Mixup). Those stand last, and apply_batch() is called
    /// after the samples were stacked, in place of apply().
    virtual bool by_batch() const { return false; }
    /// `before` holds the one sample that precedes the batch's first in the global batch, the
    /// last preceding the first: mixing each sample with the one before it gives the same result
    /// for every world size. `random` is the global batch's own, the same on all ranks.
    virtual void apply_batch(Batch& batch, const Batch& before, Philox random) const;
};

/// How the pixels of a sample move: where to, and how they are found there.
struct Movement {
    /// Of pixels [C, H, W] of any type to [C, H', W']. Empty: they stay.
    using OnPixels = std::function<Tensor(const Tensor&)>;

    Geometry geometry;
    /// This part is cut out first: of an image that is not decoded yet only that is.
    std::optional<Region> part = {};
    /// Of images, and of masks, whose numbers are not to be mixed.
    OnPixels image = {};
    OnPixels mask = {};
};

/// Moves every field of the sample by its role (FieldRole). Throws Error that names the field when
/// one cannot be moved: images and masks of different sizes, or "boxes", "keypoints" and the like
/// of which the data set does not say what they are.
AILAB_API void move_fields(Sample& sample, const Movement& movement);
/// The field of the (first) image: what the data set declares as one, else "image" or "input".
/// Throws Error that lists the fields when there is none.
AILAB_API const std::string& image_field(const Sample& sample);
AILAB_API const std::string& image_field(const Batch& batch);
/// Of that image, without decoding.
AILAB_API ImageSize image_size(const Sample& sample);
/// The first field that lies on the image beside the images themselves, or "": what a transform
/// that can only change images refuses.
AILAB_API std::string field_on_image(const Sample& sample);
AILAB_API std::string field_on_image(const Batch& batch);

/// A transform that moves pixels: it says how, and all fields move alike.
class AILAB_API GeometricTransform : public Transform {
  public:
    ~GeometricTransform() override;
    void apply(Sample& sample, Philox& random) const final;

    /// One after another; none: the sample stays as it is. `size`: of the image.
    virtual std::vector<Movement> movements(ImageSize size, Philox& random) const = 0;
};

template <class T>
constexpr bool offers_in_vain(const Transform*) {
    return AILAB_OVERRIDES_(T, Transform, by_batch) && !AILAB_OVERRIDES_(T, Transform, apply_batch);
}

}  // namespace ailab
