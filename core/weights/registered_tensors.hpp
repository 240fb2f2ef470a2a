#pragma once
// What a model registers after the run has begun is trained by no optimizer, reduced over no ranks
// and found by no resume: told of before it costs a training.
#include <torch/nn/module.h>

#include <string>
#include <vector>

namespace ailab {

/// The parameters and buffers of modules at one moment, to be compared with later ones. Keeps the
/// tensors alive. Main thread.
class RegisteredTensors {
  public:
    struct Owner {
        const torch::nn::Module* module;
        std::string title;  // `model "MyModel"`, for messages
    };

    explicit RegisteredTensors(std::vector<Owner> owners);

    /// What has been registered, replaced, dropped or set to be trained since: a sentence each,
    /// with the names and what to do. Walks the modules, and looks at no values.
    std::vector<std::string> changes() const;

  private:
    struct Entry {
        std::string name;
        at::Tensor tensor;
        bool is_parameter;
        bool trains;
    };
    static std::vector<Entry> entries_of(const torch::nn::Module& module);
    static std::vector<std::string> changes(const Owner& owner, const std::vector<Entry>& before);

    std::vector<Owner> owners_;
    std::vector<std::vector<Entry>> before_;  // of each owner
};

}  // namespace ailab
