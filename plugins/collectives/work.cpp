#include "collectives/work.hpp"

#include <ATen/core/ivalue.h>
#include <sched.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>

#include <thread>

#include "ailab/error.hpp"

namespace ailab::collectives {
namespace {

c10::intrusive_ptr<c10::ivalue::Future> completed_future(const std::vector<at::Tensor>& tensors) {
    auto future =
        c10::make_intrusive<c10::ivalue::Future>(c10::ListType::create(c10::TensorType::get()));
    future->markCompleted(c10::IValue(tensors));
    return future;
}

}  // namespace

DoneWork::DoneWork(int rank, c10d::OpType type, std::vector<at::Tensor> outputs)
    : Work(rank, type), outputs_(std::move(outputs)) {}

c10::intrusive_ptr<c10::ivalue::Future> DoneWork::getFuture() {
    return completed_future(outputs_);
}

PendingWork::PendingWork(int rank, c10d::OpType type, at::Tensor tensor)
    : Work(rank, type), tensor_(std::move(tensor)) {}

bool PendingWork::wait(std::chrono::milliseconds timeout) {
    // None, and c10d's "unset", mean the default.
    const auto limit = timeout.count() <= 0 ? kBackendDefaultTimeout : timeout;
    const auto end = std::chrono::steady_clock::now() + limit;
    for (int tries = 0; !isCompleted(); ++tries) {
        if (tries < 100) {
            sched_yield();
            continue;
        }
        if (std::chrono::steady_clock::now() > end)
            throw Error(concat(describe(), " did not complete within ", limit.count() / 1000,
                               " s: does the other rank make the matching call?"));
        std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    return true;
}

c10::intrusive_ptr<c10::ivalue::Future> PendingWork::getFuture() {
    wait(kNoTimeout);
    return completed_future({tensor_});
}

}  // namespace ailab::collectives
