#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ailab/model.hpp"
#include "ailab/task.hpp"

namespace ailab {

/// A model that looks at several views of each image and gives the mean of what it predicts, as its
/// task has it (Task::mean): test-time augmentation. Views: the image itself, and with `flip` also
/// its mirror; with `five_crops` the corners and the centre, 7/8 of each side, enlarged again
/// (bilinear), in place of the whole; both together are ten.
class AugmentedModel final : public Model {
  public:
    /// Throws ConfigError for an unknown name.
    AugmentedModel(std::shared_ptr<Model> model, const std::vector<std::string>& views,
                   std::shared_ptr<const Task> task);

    std::vector<std::string> inputs_in(Phase phase) const override {
        return model_->inputs_in(phase);
    }
    std::vector<std::string> outputs_in(Phase phase) const override {
        return model_->outputs_in(phase);
    }
    Batch forward_batch(const Batch& inputs) override;

  private:
    using View = std::function<Tensor(const Tensor&)>;

    const std::shared_ptr<Model> model_;
    const std::shared_ptr<const Task> task_;
    std::vector<View> views_;
};

}  // namespace ailab
