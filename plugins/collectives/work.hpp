#pragma once
#include <torch/csrc/distributed/c10d/Work.hpp>

#include <vector>

namespace ailab::collectives {

/// A collective that was done when it was called.
class DoneWork final : public c10d::Work {
  public:
    DoneWork(int rank, c10d::OpType type, std::vector<at::Tensor> outputs);
    bool isCompleted() override { return true; }
    bool isSuccess() const override { return true; }
    bool wait(std::chrono::milliseconds) override { return true; }
    void synchronize() override {}
    std::vector<at::Tensor> result() override { return outputs_; }
    c10::intrusive_ptr<c10::ivalue::Future> getFuture() override;

  private:
    std::vector<at::Tensor> outputs_;
};

/// A send or receive that may still be under way. It moves on while somebody waits for it, or for
/// anything else of the same backend.
class PendingWork : public c10d::Work {
  public:
    PendingWork(int rank, c10d::OpType type, at::Tensor tensor);
    bool wait(std::chrono::milliseconds timeout) override;
    bool isCompleted() override { return done_ || (done_ = poll()); }
    bool isSuccess() const override { return done_; }
    void synchronize() override { wait(kNoTimeout); }
    std::vector<at::Tensor> result() override { return {tensor_}; }
    /// Waits first: there is no thread that could complete the future later.
    c10::intrusive_ptr<c10::ivalue::Future> getFuture() override;

  protected:
    /// Moves on what can be moved on now; whether this one is complete. Throws Error.
    virtual bool poll() = 0;
    /// What is waited for, for the message of a timeout.
    virtual std::string describe() const = 0;

    at::Tensor tensor_;

  private:
    bool done_ = false;
};

}  // namespace ailab::collectives
