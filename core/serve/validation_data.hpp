#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ailab/dataset.hpp"
#include "schema/run_config.hpp"

namespace ailab {

/// The data that a configuration's model is validated on (data.val, else data.test): what a trained
/// model is fed.
class ValidationData {
  public:
    /// Makes the dataset and its transforms. Throws ConfigError and Error.
    explicit ValidationData(const RunConfig& config);

    const Dataset& dataset() const { return *dataset_; }
    /// How image files become such samples, with all of their transforms.
    std::optional<ImageInput> image_input() const;
    /// A sample as the model gets it.
    Sample sample(int64_t index) const;
    /// `field` of the first samples: [N, …]. Throws Error without any.
    at::Tensor inputs(const std::string& field, int64_t count) const;

  private:
    const ModuleConfig& config_;
    const std::shared_ptr<const Dataset> dataset_;
    const std::shared_ptr<const FieldSpecs> specs_;
    const std::vector<std::shared_ptr<const Transform>> transforms_;  // of samples
};

}  // namespace ailab
