#pragma once
#include <memory>
#include <vector>

#include "ailab/optimizer.hpp"
#include "gradient_store.hpp"

namespace ailab {

/// One optimizer with the gradients of its parameters. Main thread.
class ParameterUpdate {
  public:
    ParameterUpdate(std::shared_ptr<Optimizer> optimizer, std::vector<NamedParameter> parameters,
                    std::vector<ParamGroup> groups, c10::intrusive_ptr<c10d::Backend> backend,
                    double bucket_mb)
        : optimizer_(std::move(optimizer)),
          gradients_(std::move(parameters), std::move(backend), bucket_mb) {
        for (ParamGroup& group : groups) optimizer_->add_group(std::move(group));
    }

    Optimizer& optimizer() { return *optimizer_; }
    GradientStore& gradients() { return gradients_; }
    const std::vector<NamedParameter>& parameters() const { return gradients_.parameters(); }

  private:
    const std::shared_ptr<Optimizer> optimizer_;
    GradientStore gradients_;
};

}  // namespace ailab
