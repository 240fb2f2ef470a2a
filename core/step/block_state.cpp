#include "block_state.hpp"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

#include <mutex>

namespace ailab {

namespace {

std::vector<BlockState::DeviceState> states_of(const std::vector<c10::DeviceType>& devices) {
    std::vector<BlockState::DeviceState> states;
    for (const c10::DeviceType device : devices) {
        at::Generator generator = at::globalContext().defaultGenerator(at::Device(device, -1));
        const std::lock_guard<std::mutex> lock(generator.mutex());
        states.push_back({device, generator, generator.get_state(),
                          at::autocast::is_autocast_enabled(device),
                          at::autocast::get_autocast_dtype(device)});
    }
    return states;
}

std::vector<c10::DeviceType> devices_of(const std::vector<BlockState::DeviceState>& states) {
    std::vector<c10::DeviceType> devices;
    for (const auto& state : states) devices.push_back(state.device);
    return devices;
}

void put_back(const std::vector<BlockState::DeviceState>& states) {
    for (const BlockState::DeviceState& state : states) {
        at::Generator generator = state.generator;
        const std::lock_guard<std::mutex> lock(generator.mutex());
        generator.set_state(state.generator_state);
        at::autocast::set_autocast_enabled(state.device, state.autocast);
        at::autocast::set_autocast_dtype(state.device, state.autocast_dtype);
    }
}

/// The same memory with a count of changes of its own. Putting a buffer back is no change to the
/// graphs that hold it: batch norms save their running statistics for a backward pass that does not
/// read them, and their own update is not counted either.
at::Tensor uncounted(const at::Tensor& buffer) {
    return buffer.variable_data();
}

void set_modes(const std::vector<std::pair<torch::nn::Module*, bool>>& modes) {
    // train() reaches the children too; they come later and are then put right.
    for (const auto& [module, training] : modes)
        if (module->is_training() != training) module->train(training);
}

}  // namespace

BlockState::BlockState(torch::nn::Module& module, c10::DeviceType device)
    : devices_(states_of(device == c10::kCPU ? std::vector<c10::DeviceType>{c10::kCPU}
                                             : std::vector<c10::DeviceType>{c10::kCPU, device})) {
    const at::NoGradGuard no_grad;
    module.apply([&](torch::nn::Module& each) { modes_.emplace_back(&each, each.is_training()); });
    for (const at::Tensor& buffer : module.buffers())
        buffers_.push_back({buffer, buffer.detach().clone(), buffer._version()});
}

void BlockState::forget_constants() {
    // Kernels that update statistics do so without counting it. Large buffers (masks, tables of
    // positions) are changed by counted operations alone, if at all.
    constexpr size_t small_bytes = size_t(1) << 18;
    std::erase_if(buffers_, [](const Buffer& buffer) {
        return buffer.tensor.nbytes() > small_bytes && buffer.tensor._version() == buffer.version;
    });
}

BlockState::Surroundings::Surroundings(const BlockState& then)
    : now_(states_of(devices_of(then.devices_))),
      caches_weights_(at::autocast::is_autocast_cache_enabled()) {
    put_back(then.devices_);
    at::autocast::set_autocast_cache_enabled(true);
    at::autocast::increment_nesting();
}

BlockState::Surroundings::~Surroundings() {
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_cache_enabled(caches_weights_);
    put_back(now_);
}

BlockState::Modules::Modules(const BlockState& then) {
    const at::NoGradGuard no_grad;
    for (const Buffer& buffer : then.buffers_) {
        buffers_.emplace_back(buffer.tensor, buffer.tensor.detach().clone());
        uncounted(buffer.tensor).copy_(buffer.before);
    }
    for (const auto& [module, training] : then.modes_)
        modes_.emplace_back(module, module->is_training());
    set_modes(then.modes_);
}

BlockState::Modules::~Modules() {
    const at::NoGradGuard no_grad;
    for (const auto& [buffer, now] : buffers_) uncounted(buffer).copy_(now);
    set_modes(modes_);
}

}  // namespace ailab
