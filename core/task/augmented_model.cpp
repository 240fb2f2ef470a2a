#include "augmented_model.hpp"

#include <ATen/ATen.h>

#include <algorithm>

namespace ailab {
namespace {

/// 7/8 of the image, `top` and `left` from 0 (the upper left corner) to 1, as large as before.
Tensor enlarged_crop(const Tensor& images, double top, double left) {
    const int64_t height = images.size(2), width = images.size(3);
    const int64_t h = std::max<int64_t>(1, height * 7 / 8), w = std::max<int64_t>(1, width * 7 / 8);
    const auto y = int64_t(double(height - h) * top), x = int64_t(double(width - w) * left);
    return at::upsample_bilinear2d(images.narrow(2, y, h).narrow(3, x, w), {height, width},
                                   /*align_corners=*/false);
}

const Tensor& image_input(const Batch& inputs, const std::string& name) {
    const Tensor& images = inputs.tensor(name);
    if (images.dim() != 4)
        throw Error(concat("--tta looks at images [N, C, H, W] in several ways; the input is ",
                           c10::str(images.sizes())));
    return images;
}

}  // namespace

AugmentedModel::AugmentedModel(std::shared_ptr<Model> model, const std::vector<std::string>& views,
                               std::shared_ptr<const Task> task)
    : model_(std::move(model)), task_(std::move(task)) {
    register_module("model", model_);
    bool flip = false, crops = false;
    for (const std::string& view : views) {
        if (view != "flip" && view != "five_crops")
            throw ConfigError(concat("--tta takes flip and five_crops, got ", view));
        (view == "flip" ? flip : crops) = true;
    }
    std::vector<View> whole = {[](const Tensor& images) { return images; }};
    if (crops) {
        whole.clear();
        for (const auto& [top, left] : std::initializer_list<std::pair<double, double>>{
                 {0, 0}, {0, 1}, {1, 0}, {1, 1}, {0.5, 0.5}})
            whole.emplace_back(
                [top = top, left = left](const Tensor& i) { return enlarged_crop(i, top, left); });
    }
    for (const View& view : whole) {
        views_.push_back(view);
        if (flip)
            views_.emplace_back([view](const Tensor& images) { return view(images).flip(3); });
    }
}

Batch AugmentedModel::forward_batch(const Batch& inputs) {
    const std::string input = model_->inputs_in(Phase::test).at(0);
    const std::string output = model_->outputs_in(Phase::test).at(0);
    const Tensor& images = image_input(inputs, input);
    std::vector<Tensor> outputs;
    for (const View& view : views_) {
        Batch seen = inputs;
        seen.set(input, view(images));
        const Tensor seen_as = model_->forward_batch(seen).tensor(output);
        outputs.push_back(seen_as.scalar_type() == at::kDouble ? seen_as : seen_as.to(at::kFloat));
    }
    return Batch{{output, task_->mean(at::stack(outputs))}};
}

}  // namespace ailab
