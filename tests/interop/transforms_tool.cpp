// Applies functions of the plugin transforms with given parameters, for test_transforms.py.
#include <ATen/ATen.h>

#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "ailab/error.hpp"
#include "pixels/augment.hpp"
#include "pixels/blur.hpp"
#include "pixels/channel_scale.hpp"
#include "pixels/color.hpp"
#include "pixels/erase.hpp"
#include "pixels/flip.hpp"
#include "pixels/mix.hpp"
#include "pixels/pad.hpp"
#include "pixels/resize.hpp"
#include "pixels/tone.hpp"
#include "pixels/weighted_sum.hpp"

namespace ailab {
namespace {

using nlohmann::json;
using namespace image;

at::ScalarType type_named(const std::string& name) {
    return name == "uint8" ? at::kByte : name == "int64" ? at::kLong : at::kFloat;
}

/// The first of `path`'s values, [C, H, W] with the memory order of `order` ("hwc" or "chw"); other
/// shapes are contiguous.
Tensor read_tensor(const json& from) {
    const auto shape = from.at("shape").get<std::vector<int64_t>>();
    const bool by_row = from.value("order", "") == "hwc";
    std::vector<int64_t> stored = shape;
    if (by_row) stored = {shape[1], shape[2], shape[0]};
    Tensor tensor = at::empty(stored, type_named(from.at("dtype")));
    std::ifstream file(from.at("path").get<std::string>(), std::ios::binary);
    if (!file.read(static_cast<char*>(tensor.mutable_data_ptr()), std::streamsize(tensor.nbytes())))
        throw Error("the file is too short");
    return by_row ? tensor.permute({2, 0, 1}) : tensor;
}

Interpolation interpolation(const json& p) {
    const std::string name = p.value("interpolation", "bilinear");
    return name == "nearest"   ? Interpolation::nearest
           : name == "bicubic" ? Interpolation::bicubic
                               : Interpolation::bilinear;
}

PaddingMode padding_mode(const std::string& name) {
    const std::map<std::string, PaddingMode> modes = {{"constant", PaddingMode::constant},
                                                      {"edge", PaddingMode::edge},
                                                      {"reflect", PaddingMode::reflect},
                                                      {"symmetric", PaddingMode::symmetric}};
    return modes.at(name);
}

Sampling sampling(const json& p) {
    Sampling result{interpolation(p), {}};
    if (p.contains("fill")) result.fill = p.at("fill").get<Fill>();
    return result;
}

std::optional<Point> center(const json& p) {
    if (!p.contains("center")) return {};
    return p.at("center").get<Point>();
}

Region region(const json& p) {
    return {p.at("top"), p.at("left"), p.at("height"), p.at("width")};
}

Tensor cropped(const Tensor& image, const json& p) {
    const Region r = region(p);
    return image.narrow(1, r.top, r.height).narrow(2, r.left, r.width);
}

Size size(const json& p) {
    return {p.at("size")[0], p.at("size")[1]};
}

/// Where a move of this name takes what lies on an image of size `from`.
Geometry geometry(const json& p) {
    const Size from = {p.at("from")[0], p.at("from")[1]};
    const std::string move = p.at("move");
    if (move == "resize") return Geometry::resize(from, size(p));
    if (move == "crop") return Geometry::crop(from, region(p));
    if (move == "horizontal_flip") return Geometry::flip_horizontally(from);
    if (move == "vertical_flip") return Geometry::flip_vertically(from);
    if (move == "rotate") return rotation(from, p.at("angle"), p.value("expand", false), center(p));
    return affine_map(from, {p.at("angle"), p.at("translate").get<Point>(), p.at("scale"),
                             p.at("shear").get<Point>(), center(p)});
}

using Function = std::function<Tensor(const Tensor&, const json&)>;

const std::map<std::string, Function>& functions() {
    static const std::map<std::string, Function> all = {
        {"resize",
         [](const Tensor& image, const json& p) {
             return resize(image, size(p), interpolation(p), p.value("antialias", true));
         }},
        {"resize_mask",
         [](const Tensor& image, const json& p) { return resize_nearest(image, size(p)); }},
        {"resized_crop",
         [](const Tensor& image, const json& p) {
             return resize(cropped(image, p), size(p), interpolation(p), true);
         }},
        {"pad",
         [](const Tensor& image, const json& p) {
             const json& by = p.at("padding");
             return pad(image, {by[0], by[1], by[2], by[3]}, padding_mode(p.at("padding_mode")),
                        p.value("fill", Fill()));
         }},
        {"boxes",
         [](const Tensor& boxes, const json& p) { return geometry(p).apply_to_boxes(boxes); }},
        {"horizontal_flip",
         [](const Tensor& image, const json&) { return flip_horizontally(image); }},
        {"vertical_flip", [](const Tensor& image, const json&) { return flip_vertically(image); }},
        {"affine",
         [](const Tensor& image, const json& p) {
             return affine(image,
                           {p.at("angle"), p.at("translate").get<Point>(), p.at("scale"),
                            p.at("shear").get<Point>(), center(p)},
                           sampling(p));
         }},
        {"rotate",
         [](const Tensor& image, const json& p) {
             return rotate(image, p.at("angle"), p.value("expand", false), center(p), sampling(p));
         }},
        {"adjust_brightness",
         [](const Tensor& image, const json& p) {
             return adjust_brightness(image, p.at("factor"));
         }},
        {"adjust_contrast",
         [](const Tensor& image, const json& p) { return adjust_contrast(image, p.at("factor")); }},
        {"adjust_saturation",
         [](const Tensor& image, const json& p) {
             return adjust_saturation(image, p.at("factor"));
         }},
        {"adjust_hue",
         [](const Tensor& image, const json& p) { return adjust_hue(image, p.at("factor")); }},
        {"adjust_sharpness", [](const Tensor& image,
                                const json& p) { return adjust_sharpness(image, p.at("factor")); }},
        {"grayscale",
         [](const Tensor& image, const json& p) { return grayscale(image, p.at("channels")); }},
        {"posterize",
         [](const Tensor& image, const json& p) { return posterize(image, p.at("bits")); }},
        {"solarize",
         [](const Tensor& image, const json& p) { return solarize(image, p.at("threshold")); }},
        {"autocontrast", [](const Tensor& image, const json&) { return autocontrast(image); }},
        {"equalize", [](const Tensor& image, const json&) { return equalize(image); }},
        {"invert", [](const Tensor& image, const json&) { return invert(image); }},
        {"gaussian_blur",
         [](const Tensor& image, const json& p) {
             return gaussian_blur(image, p.at("kernel")[1], p.at("kernel")[0], p.at("sigma"));
         }},
        {"augment",
         [](const Tensor& image, const json& p) {
             return apply(operation_named(p.at("operation")), p.at("magnitude"), image,
                          sampling(p));
         }},
        {"erase",
         [](const Tensor& image, const json& p) {
             Tensor result = image.clone();
             const std::vector<double> values = fill_of(p.at("value").get<Fill>(), image);
             erase(result, region(p), at::tensor(values, at::kDouble).view({-1, 1, 1}));
             return result;
         }},
        {"normalize", [](const Tensor& image,
                         const json& p) { return ChannelScale(p.at("mean"), p.at("std"))(image); }},
        {"weighted_sum",
         [](const Tensor& image, const json& p) {
             return weighted_sum({image, flip_horizontally(image), invert(image)}, p.at("weights"));
         }},
        // Of a batch and the batch of one sample that is its last.
        {"mixup",
         [](const Tensor& batch, const json& p) {
             Tensor result = batch.clone();
             mix_with_previous(result, batch.narrow(0, batch.size(0) - 1, 1), p.at("share"));
             return result;
         }},
        {"cutmix",
         [](const Tensor& batch, const json& p) {
             Tensor result = batch.clone();
             paste_from_previous(result, batch.narrow(0, batch.size(0) - 1, 1), region(p));
             return result;
         }},
        {"magnitude",
         [](const Tensor&, const json& p) {
             const std::map<std::string, const Strength*> strengths = {
                 {"AutoAugment", &auto_augment_strength},
                 {"RandAugment", &auto_augment_strength},
                 {"TrivialAugmentWide", &wide_strength},
                 {"AugMix", &aug_mix_strength}};
             const Magnitude magnitude =
                 magnitude_of(operation_named(p.at("operation")), *strengths.at(p.at("family")),
                              p.at("step"), p.at("steps"), {p.at("height"), p.at("width")});
             return at::tensor({float(magnitude.value), magnitude.is_signed ? 1.0F : 0.0F});
         }},
        {"resized",
         [](const Tensor&, const json& p) {
             std::optional<int64_t> longest;
             if (p.contains("longest")) longest = p.at("longest").get<int64_t>();
             const Size to = resized({p.at("height"), p.at("width")}, p.at("shorter"), longest);
             return at::tensor({to.height, to.width}, at::kLong);
         }},
    };
    return all;
}

json answer(const json& request) {
    const Tensor image = request.contains("image") ? read_tensor(request.at("image")) : Tensor();
    const Tensor result = functions().at(request.at("function"))(image, request).contiguous();
    std::ofstream file(request.at("output").get<std::string>(), std::ios::binary);
    file.write(static_cast<const char*>(result.const_data_ptr()), std::streamsize(result.nbytes()));
    file.close();
    const char* type = result.scalar_type() == at::kByte   ? "uint8"
                       : result.scalar_type() == at::kLong ? "int64"
                                                           : "float32";
    return {{"shape", result.sizes().vec()}, {"dtype", type}};
}

}  // namespace
}  // namespace ailab

/// One JSON object a line: {"function": …, "image": {"path", "shape", "dtype", "order"}, "output":
/// the file for the result's bytes, and the function's parameters}. Answers with the result's shape
/// and dtype, or {"error": …}.
int main() {
    for (std::string line; std::getline(std::cin, line);) {
        try {
            std::cout << ailab::answer(nlohmann::json::parse(line)) << std::endl;
        } catch (const std::exception& error) {
            std::cout << nlohmann::json{{"error", error.what()}} << std::endl;
        }
    }
}
