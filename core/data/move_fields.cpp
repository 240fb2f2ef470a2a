// What lies on an image moves with it.
#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "ailab/loading.hpp"
#include "ailab/transform.hpp"
#include "modules/fields.hpp"

namespace ailab {

namespace {

/// What a mask is called where the data set does not declare its fields.
constexpr std::string_view mask_name = "mask";
/// What would stay where it was, though by its name it lies on the image.
constexpr std::array<std::string_view, 6> unclear_names = {"boxes",    "bboxes",   "keypoints",
                                                           "semantic", "instance", "masks"};

bool lies_on_image(FieldRole role) {
    return role == FieldRole::mask || role == FieldRole::boxes || role == FieldRole::keypoints;
}

/// Of a field of a Sample or a Batch.
template <class Fields>
FieldRole role_of(const Fields& fields, const std::string& name) {
    if (const FieldSpec* spec = find_spec(fields.specs.get(), name)) return spec->role;
    return name == mask_name ? FieldRole::mask : FieldRole::other;
}

/// Declared, or by its name one that should be.
template <class Fields>
bool is_on_image(const Fields& fields, const std::string& name) {
    return lies_on_image(role_of(fields, name)) ||
           (!find_spec(fields.specs.get(), name) &&
            std::find(unclear_names.begin(), unclear_names.end(), name) != unclear_names.end());
}

template <class Fields>
const std::string& image_among(const Fields& fields, const char* whose) {
    const auto is_there = [&](const std::string& name) { return fields.has(name); };
    if (const std::string* name = find_image(fields.specs.get(), is_there))
        return fields.fields.find(*name)->first;
    std::vector<std::string> names;
    for (const auto& [name, field] : fields.fields) names.push_back(name);
    throw Error(concat(whose, " has no field \"image\" or \"input\"; its fields: ",
                       names.empty() ? "none" : join(names)));
}

template <class Fields>
std::string first_on_image(const Fields& fields) {
    for (const auto& [name, field] : fields.fields)
        if (is_on_image(fields, name)) return name;
    return "";
}

ImageSize size_of(const std::string& name, const SampleField& field) {
    if (const auto* image = std::get_if<ImagePtr>(&field))
        return {(*image)->height(), (*image)->width()};
    const auto* tensor = std::get_if<Tensor>(&field);
    if (!tensor) throw Error(concat("field \"", name, "\" is no image: it is text"));
    if (tensor->dim() < 2)
        throw Error(
            concat("field \"", name, "\" is no image: it has ", tensor->dim(), " dimensions"));
    return {tensor->size(-2), tensor->size(-1)};
}

/// What `part` leaves of pixels.
void cut(SampleField& field, const Region& part) {
    if (const auto* image = std::get_if<ImagePtr>(&field)) {
        const StageTimer timer(LoadStage::decode);
        field = (*image)->pixels(part);
    } else {
        field = std::get<Tensor>(field)
                    .narrow(-2, part.top, part.height)
                    .narrow(-1, part.left, part.width);
    }
}

/// [H, W] or [n, H, W], each as [1, H, W].
Tensor move_masks(const Tensor& masks, const Movement& movement) {
    if (masks.dim() == 2) return movement.mask(masks.unsqueeze(0)).squeeze(0);
    const ImageSize to = movement.geometry.output();
    if (masks.dim() == 3 && masks.size(0) == 0) return masks.new_empty({0, to.height, to.width});
    if (masks.dim() != 3 || masks.size(0) == 1) return movement.mask(masks);
    std::vector<Tensor> moved;
    for (int64_t i = 0; i < masks.size(0); ++i)
        moved.push_back(movement.mask(masks.narrow(0, i, 1)));
    return at::cat(moved);
}

/// One that has left the image is not there.
Tensor move_keypoints(const Tensor& keypoints, const FieldSpec& spec, const Geometry& geometry) {
    Tensor moved = geometry.apply_to_points(keypoints);
    const int64_t columns = moved.size(-1);
    if (columns == 3) {
        Tensor flat = moved.view({-1, 3});
        const Tensor x = flat.select(1, 0), y = flat.select(1, 1);
        const ImageSize to = geometry.output();
        const Tensor gone = x.lt(0)
                                .logical_or_(x.ge(double(to.width)))
                                .logical_or_(y.lt(0))
                                .logical_or_(y.ge(double(to.height)))
                                .logical_or_(flat.select(1, 2).eq(0));
        flat.masked_fill_(gone.unsqueeze(1), 0);
    }
    if (!spec.flip_indices.empty() && geometry.is_mirrored())
        moved = moved.index_select(-2, at::tensor(spec.flip_indices, at::kLong));
    return moved;
}

/// A label that has a row for each of several boxes is theirs, as good as sure, and would not match
/// them any more.
void check_apart(const Sample& sample, const FieldSpec& spec, const std::string& boxes,
                 int64_t count) {
    const auto* label = std::get_if<Tensor>(&sample.fields.at(spec.name));
    if (count < 2 || !label || label->dim() == 0 || label->size(0) != count) return;
    throw Error(concat("the field \"", spec.name, "\" has a row for each of the ", count,
                       " boxes of \"", boxes,
                       "\", of which some have left the image: let its field_specs() say "
                       "belongs_to \"",
                       boxes, "\", or role other where it is not theirs"));
}

/// Drops the boxes of which nothing is left, and what belongs to them.
void move_boxes(Sample& sample, const std::string& name, const Geometry& geometry) {
    Tensor& boxes = sample.tensor(name);
    boxes = geometry.apply_to_boxes(boxes);
    const Tensor extent = boxes.slice(1, 2).sub(boxes.slice(1, 0, 2));
    const Tensor left = extent.gt(0).all(1);
    if (left.all().item<bool>()) return;
    const Tensor rows = left.nonzero().squeeze(1);
    boxes = boxes.index_select(0, rows);
    for (const FieldSpec& spec : *sample.specs) {
        if (!sample.has(spec.name)) continue;
        if (spec.belongs_to == name) {
            Tensor& belonging = sample.tensor(spec.name);
            belonging = belonging.index_select(0, rows);
        } else if (spec.role == FieldRole::label) {
            check_apart(sample, spec, name, left.size(0));
        }
    }
}

void check_size(const Sample& sample, const std::string& name, ImageSize size) {
    const ImageSize own = size_of(name, sample.fields.at(name));
    if (!(own == size))
        throw Error(concat("the ", name, " is ", own.str(), " pixels, the image ", size.str()));
}

void move_pixels(SampleField& field, bool is_mask, const Movement& movement) {
    if (movement.part) cut(field, *movement.part);
    if (is_mask ? !movement.mask : !movement.image) return;
    if (const auto* image = std::get_if<ImagePtr>(&field)) {
        const StageTimer timer(LoadStage::decode);
        field = (*image)->pixels();
    }
    auto& pixels = std::get<Tensor>(field);
    pixels = is_mask ? move_masks(pixels, movement) : movement.image(pixels);
}

/// What would be left behind is refused before anything moves.
void check_movable(const Sample& sample, const std::string& image) {
    std::optional<ImageSize> size;
    for (const auto& [name, field] : sample.fields) {
        if (name == image) continue;
        const FieldRole role = role_of(sample, name);
        if (role == FieldRole::image || role == FieldRole::mask) {
            if (!size) size = image_size(sample);
            check_size(sample, name, *size);
        } else if (!lies_on_image(role) && is_on_image(sample, name)) {
            throw Error(concat("the field \"", name,
                               "\" cannot be moved with the image: the data "
                               "set does not say what it is; let its field_specs() give it a role "
                               "(FieldRole::",
                               name == "boxes" || name == "bboxes" ? "boxes"
                               : name == "keypoints"               ? "keypoints"
                                                                   : "mask",
                               "; other: it stays as it is)"));
        }
    }
}

}  // namespace

const std::string& image_field(const Sample& sample) {
    return image_among(sample, "the sample");
}

const std::string& image_field(const Batch& batch) {
    return image_among(batch, "the batch");
}

ImageSize image_size(const Sample& sample) {
    const std::string& name = image_field(sample);
    return size_of(name, sample.fields.at(name));
}

std::string field_on_image(const Sample& sample) {
    return first_on_image(sample);
}

std::string field_on_image(const Batch& batch) {
    return first_on_image(batch);
}

void move_fields(Sample& sample, const Movement& movement) {
    const Geometry& geometry = movement.geometry;
    const std::string image = image_field(sample);
    check_movable(sample, image);
    for (auto& [name, field] : sample.fields) {
        const FieldRole role = name == image ? FieldRole::image : role_of(sample, name);
        if (role == FieldRole::mask)
            move_pixels(field, /*is_mask=*/true, movement);
        else if (role == FieldRole::keypoints)
            field =
                move_keypoints(sample.tensor(name), *find_spec(sample.specs.get(), name), geometry);
    }
    for (auto& [name, field] : sample.fields) {
        const FieldRole role = name == image ? FieldRole::image : role_of(sample, name);
        if (role == FieldRole::image)
            move_pixels(field, /*is_mask=*/false, movement);
        else if (role == FieldRole::boxes)
            move_boxes(sample, name, geometry);
    }
}

GeometricTransform::~GeometricTransform() = default;

void GeometricTransform::apply(Sample& sample, Philox& random) const {
    for (const Movement& movement : movements(image_size(sample), random))
        move_fields(sample, movement);
}

}  // namespace ailab
