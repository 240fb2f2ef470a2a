#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ailab/model.hpp"
#include "ailab/output_kind.hpp"

namespace ailab {

/// A model that looks at several views of each image and gives the mean of what it predicts:
/// test-time augmentation. Of class scores that is the logarithm of the mean of their softmax, of
/// labels' scores the logit of the mean of their sigmoids, else the mean of the outputs. Views: the
/// image itself, and with `flip` also its mirror; with `five_crops` the corners and the centre, 7/8
/// of each side, enlarged again (bilinear), in place of the whole; both together are ten.
class AugmentedModel final : public Model {
  public:
    /// `kind`: what the model's first output stands for. Throws ConfigError for an unknown name.
    AugmentedModel(std::shared_ptr<Model> model, const std::vector<std::string>& views,
                   OutputKind kind);

    std::vector<std::string> inputs() const override { return model_->inputs(); }
    std::vector<std::string> outputs() const override { return model_->outputs(); }
    Batch forward_batch(const Batch& inputs) override;

  private:
    using View = std::function<Tensor(const Tensor&)>;

    /// outputs: [V, N, …] -> [N, …].
    Tensor mean(const Tensor& outputs) const;

    const std::shared_ptr<Model> model_;
    const OutputKind kind_;
    std::vector<View> views_;
};

}  // namespace ailab
