#include "background_writer.hpp"

#include <ATen/ATen.h>

#include <chrono>
#include <cstdio>

#include "ailab/log.hpp"
#include "host/start_thread.hpp"

namespace ailab {
namespace {

State copy_of(const State& state) {
    State copy = state;
    for (auto& [name, tensor] : copy.tensors)
        if (tensor.defined()) tensor = tensor.detach().to(at::kCPU, /*non_blocking=*/false, true);
    return copy;
}

/// The training goes on and changes every tensor: the writer gets its own.
Checkpoint copy_of(const Checkpoint& checkpoint) {
    const at::NoGradGuard no_grad;
    Checkpoint copy = checkpoint;
    for (auto& [name, tensor] : copy.model)
        tensor = tensor.detach().to(at::kCPU, /*non_blocking=*/false, true);
    for (auto& [name, state] : copy.modules) state = copy_of(state);
    copy.run = copy_of(checkpoint.run);
    copy.rank = copy_of(checkpoint.rank);
    return copy;
}

}  // namespace

BackgroundWriter::~BackgroundWriter() {
    if (thread_.joinable()) thread_.join();
}

void BackgroundWriter::write(const std::string& path, const std::string& pointer,
                             const Checkpoint& checkpoint, std::unique_ptr<Comm> comm) {
    wait();
    auto body = [this, path, pointer, copy = copy_of(checkpoint),
                 comm = std::shared_ptr<Comm>(std::move(comm))] {
        try {
            const auto begin = std::chrono::steady_clock::now();
            write_checkpoint(path, pointer, copy, *comm);
            const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
            char seconds[32];
            std::snprintf(seconds, sizeof seconds, "%.2f", taken.count());
            log_info("saved checkpoint ", path, " in ", seconds, " s, beside the training");
        } catch (...) {
            error_ = std::current_exception();
        }
        ended_.store(true, std::memory_order_release);
    };
    thread_ = start_thread("ailab-saver", std::move(body));
}

void BackgroundWriter::finish_within(std::chrono::milliseconds limit) noexcept {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (thread_.joinable() && !ended_.load(std::memory_order_acquire) &&
           std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

void BackgroundWriter::wait() {
    if (!thread_.joinable()) return;
    thread_.join();
    ended_ = false;
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

}  // namespace ailab
