#include "background_writer.hpp"

#include <ATen/ATen.h>

#include <chrono>
#include <cstdio>

#include "ailab/log.hpp"
#include "ailab/support/number_text.hpp"
#include "config/error_words.hpp"
#include "support/start_thread.hpp"

namespace ailab {
namespace {

void copy_to_cpu(at::Tensor& tensor) {
    if (tensor.defined()) tensor = tensor.detach().to(at::kCPU, /*non_blocking=*/false, true);
}

/// `is_main`: of rank 0, whose part is stored of what all ranks have.
State copy_of(const State& state, bool is_main) {
    State copy = state;
    if (!is_main) copy.tensors.clear();
    for (auto& [name, tensor] : copy.tensors) copy_to_cpu(tensor);
    for (auto& [name, tensor] : copy.rank_tensors) copy_to_cpu(tensor);
    for (auto& [name, shard] : copy.shards) copy_to_cpu(shard.piece);
    return copy;
}

/// A tensor of several names is copied once.
NamedTensors copy_of(const NamedTensors& tensors) {
    Metadata aliases;
    NamedTensors copy = drop_aliases(tensors, aliases);
    for (auto& [name, tensor] : copy) copy_to_cpu(tensor);
    restore_aliases(copy, aliases);
    return copy;
}

/// The training goes on and changes every tensor: the writer gets its own of what this rank writes.
Checkpoint copy_of(const Checkpoint& checkpoint, bool is_main) {
    const at::NoGradGuard no_grad;
    Checkpoint copy = checkpoint;
    copy.model = is_main ? copy_of(checkpoint.model) : NamedTensors();
    for (auto& [name, state] : copy.modules) state = copy_of(state, is_main);
    copy.run = copy_of(checkpoint.run, is_main);
    copy.rank = copy_of(checkpoint.rank, /*is_main=*/true);
    return copy;
}

}  // namespace

BackgroundWriter::~BackgroundWriter() {
    if (thread_.joinable()) thread_.join();
}

void BackgroundWriter::write(const std::string& path, const std::string& pointer,
                             const Checkpoint& checkpoint, std::unique_ptr<Comm> comm) {
    wait();
    const bool is_main = comm->rank() == 0;
    start([path, pointer, copy = copy_of(checkpoint, is_main),
           comm = std::shared_ptr<Comm>(std::move(comm))] {
        const auto begin = std::chrono::steady_clock::now();
        write_checkpoint(path, pointer, copy, *comm);
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
        log_info("saved checkpoint ", path, " in ", fixed_text(taken.count(), 2),
                 " s, beside the training");
    });
}

void BackgroundWriter::write_weights(const std::string& path, const NamedTensors& weights,
                                     const ClassFacts& classes, std::unique_ptr<Comm> comm) {
    const at::NoGradGuard no_grad;
    NamedTensors copy;
    if (comm->rank() == 0) copy = copy_of(weights);
    start([path, classes, copy = std::move(copy), comm = std::shared_ptr<Comm>(std::move(comm))] {
        // All ranks learn of a failure.
        std::string error;
        if (comm->rank() == 0) {
            try {
                ailab::write_weights(path, copy, classes);
            } catch (const std::exception& failure) {
                error = error_words(failure);
            }
        }
        error = comm->broadcast_text(error);
        if (!error.empty()) throw Error(error);
        log_info("saved weights ", path);
    });
}

void BackgroundWriter::start(std::function<void()> work) {
    {
        const std::lock_guard lock(mutex_);
        work_.push_back(std::move(work));
        // A thread that has not ended looks again before it does.
        if (thread_.joinable() && !ended_.load(std::memory_order_acquire)) return;
    }
    wait();
    thread_ = start_thread("ailab-saver", [this] { run(); });
}

void BackgroundWriter::run() {
    for (;;) {
        std::function<void()> work;
        {
            const std::lock_guard lock(mutex_);
            if (work_.empty() || error_) {
                work_.clear();
                ended_.store(true, std::memory_order_release);
                return;
            }
            work = std::move(work_.front());
            work_.pop_front();
        }
        try {
            work();
        } catch (...) {
            error_ = std::current_exception();
        }
    }
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
