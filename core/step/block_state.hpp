#pragma once
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <utility>
#include <vector>

namespace ailab {

/// What a block depends on beside its inputs and parameters: generators, autocast, which of its
/// modules train, and buffers. As it is when this is made, before the block runs.
class BlockState {
  public:
    /// `device`: where the block computes.
    BlockState(torch::nn::Module& module, c10::DeviceType device);
    /// After the block has run: keeps of the buffers only what it may have changed.
    void forget_constants();

    /// Of one kind of device.
    struct DeviceState {
        c10::DeviceType device;
        at::Generator generator;  // the framework's own
        at::Tensor generator_state;
        bool autocast;
        at::ScalarType autocast_dtype;
    };

    /// While it lives, generators and autocast are what they were. Weights that autocast converts
    /// are converted once.
    class Surroundings {
      public:
        explicit Surroundings(const BlockState& then);
        ~Surroundings();
        Surroundings(const Surroundings&) = delete;
        Surroundings& operator=(const Surroundings&) = delete;

      private:
        const std::vector<DeviceState> now_;
        const bool caches_weights_;
    };

    /// While it lives, buffers are what they were, and the modules that trained train.
    class Modules {
      public:
        explicit Modules(const BlockState& then);
        ~Modules();
        Modules(const Modules&) = delete;
        Modules& operator=(const Modules&) = delete;

      private:
        std::vector<std::pair<at::Tensor, at::Tensor>> buffers_;
        std::vector<std::pair<torch::nn::Module*, bool>> modes_;
    };

  private:
    struct Buffer {
        at::Tensor tensor, before;
        int64_t version;
    };

    std::vector<DeviceState> devices_;
    std::vector<std::pair<torch::nn::Module*, bool>> modes_;  // a module before its children
    std::vector<Buffer> buffers_;
};

}  // namespace ailab
