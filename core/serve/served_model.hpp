#pragma once
#include <memory>
#include <optional>
#include <string>

#include "run/choose.hpp"
#include "served_spec.hpp"
#include "step/forward_pass.hpp"

namespace ailab {

/// A model with trained weights, in evaluation mode, on its device.
class ServedModel {
  public:
    /// Without weights yet. `model` is what spec.model makes, if it was made already. Throws
    /// ConfigError (an unknown module), Error.
    explicit ServedModel(ServedSpec spec, const std::string& device = "cpu",
                         std::shared_ptr<Model> model = nullptr);

    ServedModel(const ServedModel&) = delete;
    ServedModel& operator=(const ServedModel&) = delete;

    const ServedSpec& spec() const { return spec_; }
    Model& model() { return *config_.model; }
    c10::Device device() const { return device_; }

    /// A batch [N, …] on the device, under the names of the model's own inputs: what
    /// Model::forward_batch() takes. Throws Error for another shape.
    Batch model_inputs(const at::Tensor& input) const;
    /// [N, …] -> the model's (first) output, on the device. Throws Error for another shape. One
    /// thread at a time.
    at::Tensor forward(const at::Tensor& input) const;
    /// Whether the output is a tensor: a list of one a sample (boxes) forward() refuses.
    bool gives_tensor(const at::Tensor& input) const;
    /// Throws Error unless a batch has the shape that the model is fed. A sequence ([T], or [T, F])
    /// may have another length: whether the model takes that is seen when it runs.
    void check_input(const at::Tensor& input) const;
    /// Whether that is the shape of the samples that it was made for, which a graph of it takes.
    bool has_usual_shape(const at::Tensor& input) const;

  private:
    Batch batch_of(const at::Tensor& input) const;
    Batch run(const at::Tensor& input) const;
    std::string fed() const;  // "the model is fed [N, 12]"

    struct Config {
        RunConfig run;
        std::shared_ptr<Model> model;
    };

    ServedSpec spec_;
    Config config_;
    ChosenDevice chosen_;
    c10::Device device_ = at::kCPU;
    std::string field_;   // that the first input is bound to
    std::string output_;  // the first one, as it joins a batch
    std::optional<ForwardPass> forward_;
};

}  // namespace ailab
