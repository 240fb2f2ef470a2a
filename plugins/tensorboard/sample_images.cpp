#include "sample_images.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>

#include "ailab/image.hpp"
#include "ailab/support/number_text.hpp"
#include "events.hpp"

namespace ailab::tensorboard {
namespace {

Tensor copy_rows(const Tensor& tensor, int64_t rows, at::ScalarType dtype) {
    return tensor.detach()
        .narrow(0, 0, rows)
        .to(at::TensorOptions(at::kCPU).dtype(dtype),
            /*non_blocking=*/false, /*copy=*/true, at::MemoryFormat::Contiguous);
}

bool holds_images(const Tensor& tensor) {
    if (tensor.dim() != 4 || tensor.numel() == 0) return false;
    const int64_t channels = tensor.size(1);
    return (channels == 1 || channels == 3 || channels == 4) &&
           (tensor.is_floating_point() || tensor.scalar_type() == at::kByte);
}

/// One image [C, H, W] as bytes [H, W, C].
EncodedImage encode(Tensor image) {
    if (image.scalar_type() != at::kByte) {
        const double low = image.min().item<double>();
        const double range = image.max().item<double>() - low;
        image = ((image - low) * (range > 0 ? 255 / range : 0)).nan_to_num().round();
        image = image.to(at::kByte);
    }
    EncodedImage result;
    result.channels = int(image.size(0));
    result.height = int(image.size(1));
    result.width = int(image.size(2));
    result.png = encode_png(image);
    return result;
}

std::string percent(double fraction) {
    return fixed_text(100 * fraction, 1) + "%";
}

}  // namespace

std::optional<SampleImages> take_images(const Batch& batch, int64_t count) {
    const Tensor* images = nullptr;
    for (const char* name : {"input", "image"})
        if (const Tensor* field = batch.find_tensor(name); field && holds_images(*field))
            images = field;
    if (!images) return std::nullopt;
    const int64_t n = std::min(count, images->size(0));
    SampleImages taken;
    const bool bytes = images->scalar_type() == at::kByte;
    taken.pixels = copy_rows(*images, n, bytes ? at::kByte : at::kFloat);
    for (int64_t i = 0; i < n; ++i)
        taken.ids.push_back(size_t(i) < batch.ids.size() ? batch.ids[size_t(i)] : i);
    for (const char* name : {"label", "target"}) {
        const Tensor* field = batch.find_tensor(name);
        if (field && field->dim() == 1 && field->size(0) >= n &&
            c10::isIntegralType(field->scalar_type(), /*includeBool=*/false))
            taken.targets = copy_rows(*field, n, at::kLong);
    }
    const Tensor* output = batch.find_tensor("output");
    if (taken.targets.defined() && output && output->dim() == 2 && output->size(0) >= n &&
        output->size(1) > 1 && output->is_floating_point())
        taken.scores = copy_rows(*output, n, at::kFloat);
    return taken;
}

wire::Message image_summary(const SampleImages& images, const std::string& phase) {
    wire::Message summary;
    for (size_t i = 0; i < images.ids.size(); ++i)
        summary.add(1, image_value(concat(phase, "/sample_", images.ids[i]),
                                   encode(images.pixels[int64_t(i)])));
    if (!images.scores.defined()) return summary;
    const Tensor probabilities = images.scores.softmax(1);
    std::string table = "sample | target | prediction | probability\n---|---|---|---\n";
    for (size_t i = 0; i < images.ids.size(); ++i) {
        const auto row = int64_t(i);
        const auto target = images.targets[row].item<int64_t>();
        const auto prediction = probabilities[row].argmax().item<int64_t>();
        const std::string mark = prediction == target ? "" : "**";
        table += concat(images.ids[i], " | ", target, " | ", mark, prediction, mark, " | ",
                        percent(probabilities[row][prediction].item<double>()), "\n");
    }
    return summary.add(1, text_value(phase + "/predictions", table));
}

}  // namespace ailab::tensorboard
