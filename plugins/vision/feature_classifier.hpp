#pragma once
#include "blocks.hpp"

namespace ailab::vision {

/// Layers "features", whose mean over the pixels goes through dropout to the linear layer
/// "classifier.1".
class FeatureClassifier : public Model {
  public:
    Tensor forward(const Tensor& x) override {
        const Tensor y = mean_of_pixels(features_->forward(x));
        return classifier_(at::dropout(y, dropout_, is_training()));
    }

  protected:
    explicit FeatureClassifier(double dropout)
        : features_(register_module("features", std::make_shared<Chain>())), dropout_(dropout) {}

    void add_classifier(int64_t channels, int64_t num_classes) {
        classifier_ = name_group(*this, "classifier")
                          ->register_module("1", torch::nn::Linear(channels, num_classes));
    }

    const std::shared_ptr<Chain> features_;

  private:
    const double dropout_;
    torch::nn::Linear classifier_{nullptr};
};

}  // namespace ailab::vision
