// The data set of docs/data.md as it stands, and a model for it.
#include "documented_masks.hpp"

AILAB_PLUGIN("masks", "1.0", "Segmentation with the data set of docs/data.md")

namespace {

/// A class for each pixel, from its color.
class PixelNet : public ailab::Model {
  public:
    PixelNet() { conv = register_module("conv", torch::nn::Conv2d(3, 3, 1)); }
    ailab::Tensor forward(const ailab::Tensor& image) override {
        return conv(image.to(torch::kFloat) / 255);
    }

  private:
    torch::nn::Conv2d conv{nullptr};
};

}  // namespace

AILAB_REGISTER_DATASET(Masks, "Images with masks, of docs/data.md")
AILAB_REGISTER_MODEL(PixelNet, "One 1x1 convolution")
