#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ailab/model.hpp"

namespace ailab {

/// A classifier that looks at several views of each image and gives the logarithm of the mean of
/// the probabilities: test-time augmentation. Views: the image itself, and with `flip` also its
/// mirror; with `five_crops` the corners and the centre, 7/8 of each side, enlarged again
/// (bilinear), in place of the whole; both together are ten.
class AugmentedModel final : public Model {
  public:
    /// Throws ConfigError for an unknown name.
    AugmentedModel(std::shared_ptr<Model> model, const std::vector<std::string>& views);

    std::vector<std::string> inputs() const override { return model_->inputs(); }
    std::vector<std::string> outputs() const override { return model_->outputs(); }
    Batch forward_batch(const Batch& inputs) override;

  private:
    using View = std::function<Tensor(const Tensor&)>;

    const std::shared_ptr<Model> model_;
    std::vector<View> views_;
};

}  // namespace ailab
