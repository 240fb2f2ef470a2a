#pragma once
#include <memory>
#include <string>

#include "ailab/exporter.hpp"
#include "serve/served_model.hpp"

namespace ailab {

/// A served model as exporters see it.
class ServedAsTrained final : public TrainedModel {
  public:
    explicit ServedAsTrained(ServedModel& model) : model_(model), task_(task_of(model.spec())) {}

    Model& model() override { return model_.model(); }
    std::vector<std::pair<std::string, Tensor>> weights() const override;
    const Task& task() const override { return *task_; }
    std::string description() const override;
    Tensor forward(const Tensor& input) const override { return model_.forward(input); }
    TracedModel trace(const Tensor& example, std::string& doubt) override;
    void write_safetensors(const std::string& path) const override;
    void write_artifact(const std::string& path, bool with_plugins) const override;
    Forward read_weights(const std::string& path) const override;
    Forward read_artifact(const std::string& path) const override;
    void check_weights(const std::string& path) const override;

  private:
    ServedModel& model_;
    const std::shared_ptr<const Task> task_;
};

}  // namespace ailab
