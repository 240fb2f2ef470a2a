#pragma once
#include "runner.hpp"

namespace ailab {

/// What a model's own train_step() works with: several optimizers, each with its own reduction.
class ModelStep final : public StepContext {
  public:
    explicit ModelStep(Runner& runner) : runner_(runner), section_(runner.sync_batch_norm_.get()) {}

    const Batch& batch() const override { return runner_.batch_; }
    void update(const std::string& optimizer, const std::function<Tensor()>& loss,
                std::optional<double> normaliser) override;
    void record(const std::string& name, const Tensor& value) override;
    void output(const std::string& name, BatchField value) override;
    /// After train_step().
    void finish() { section_.meet(); }

  private:
    double global_sum(double local);

    Runner& runner_;
    SyncBatchNorm::Section section_;
};

}  // namespace ailab
