#include "sample_image.hpp"

#include <ATen/ATen.h>

namespace ailab {
namespace {

constexpr const char* mask_field = "mask";

std::string names_of(const Sample& sample) {
    std::vector<std::string> names;
    for (const auto& [name, field] : sample.fields) names.push_back(name);
    return names.empty() ? "none" : join(names);
}

image::Size size_of(const Sample& sample, const char* field) {
    if (const auto* image = std::get_if<ImagePtr>(&sample.fields.at(field)))
        return {(*image)->height(), (*image)->width()};
    const Tensor& tensor = sample.tensor(field);
    if (tensor.dim() < 2)
        throw Error(
            concat("field \"", field, "\" is no image: it has ", tensor.dim(), " dimensions"));
    return image::size_of(tensor);
}

/// [H, W] as [1, H, W], and the result as it was.
Tensor move_mask_pixels(const Tensor& mask, const std::function<Tensor(const Tensor&)>& move) {
    if (mask.dim() == 2) return move(mask.unsqueeze(0)).squeeze(0);
    return move(mask);
}

void check_mask(const Sample& sample) {
    const image::Size mask = size_of(sample, mask_field), image = image_size(sample);
    if (!(mask == image))
        throw Error(concat("the mask is ", text_of(mask), " pixels, the image ", text_of(image)));
}

Tensor part_of(const SampleField& field, const Region& part) {
    if (const auto* image = std::get_if<ImagePtr>(&field)) {
        const StageTimer timer(LoadStage::decode);
        return (*image)->pixels(part);
    }
    return std::get<Tensor>(field)
        .narrow(-2, part.top, part.height)
        .narrow(-1, part.left, part.width);
}

}  // namespace

const char* image_field(const Sample& sample) {
    for (const char* name : {"image", "input"})
        if (sample.has(name)) return name;
    throw Error(
        concat("the sample has no field \"image\" or \"input\"; its fields: ", names_of(sample)));
}

image::Size image_size(const Sample& sample) {
    return size_of(sample, image_field(sample));
}

Tensor& pixels_of(Sample& sample) {
    Tensor& pixels = sample.tensor(image_field(sample));
    image::check_image(pixels);
    return pixels;
}

void change_pixels(Sample& sample, const std::function<Tensor(const Tensor&)>& f) {
    Tensor& pixels = pixels_of(sample);
    pixels = f(pixels);
}

void move_pixels(Sample& sample, const std::function<Tensor(const Tensor&)>& move_image,
                 const std::function<Tensor(const Tensor&)>& move_mask) {
    if (sample.has(mask_field)) {
        check_mask(sample);
        Tensor& mask = sample.tensor(mask_field);
        mask = move_mask_pixels(mask, move_mask);
    }
    change_pixels(sample, move_image);
}

void move_pixels(Sample& sample, const std::function<Tensor(const Tensor&)>& move) {
    move_pixels(sample, move, move);
}

void crop(Sample& sample, const Region& part) {
    const char* field = image_field(sample);
    if (sample.has(mask_field)) {
        check_mask(sample);
        SampleField& mask = sample.fields.at(mask_field);
        mask = part_of(mask, part);
    }
    SampleField& image = sample.fields.at(field);
    image = part_of(image, part);
    image::check_image(std::get<Tensor>(image));
}

std::string text_of(image::Size size) {
    return concat(size.height, " x ", size.width);
}

}  // namespace ailab
