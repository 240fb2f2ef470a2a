#pragma once
#include "ailab/model.hpp"
#include "training_step.hpp"

namespace ailab {

/// What a model's own train_step() works with: several optimizers, each with its own reduction and
/// update, by the same means as the standard step.
class ManualStep final : public StepContext {
  public:
    explicit ManualStep(TrainingStep& step) : step_(step), section_(step.parts_.sync_batch_norm) {}

    const Batch& batch() const override { return *step_.batch_; }
    void update(const std::string& optimizer, const std::function<Tensor()>& loss,
                std::optional<double> normaliser) override;
    void record(const std::string& name, const Tensor& value) override;
    void output(const std::string& name, BatchField value) override;
    /// After train_step().
    void finish() { section_.meet(); }

  private:
    ParameterUpdate& find(const std::string& optimizer) const;

    TrainingStep& step_;
    SyncBatchNorm::Section section_;
};

}  // namespace ailab
