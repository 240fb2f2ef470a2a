#pragma once
// Ranks as threads of one process: each test rank gets a Comm.
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ailab/comm.hpp"
#include "meeting.hpp"

namespace ailab::test {

class ThreadComm : public Comm {
  public:
    ThreadComm(std::shared_ptr<Meeting> meeting, int rank)
        : meeting_(std::move(meeting)), rank_(rank) {}

    int rank() const override { return rank_; }
    int world_size() const override { return meeting_->size(); }
    int local_rank() const override { return rank_; }
    int local_size() const override { return meeting_->size(); }
    void all_reduce_sum(at::Tensor& tensor) override {
        ++collectives;
        tensor.copy_(meeting_->sum(rank_, tensor));
    }
    void all_reduce_max(at::Tensor& tensor) override {
        reduce(tensor, [](const at::Tensor& a, const at::Tensor& b) { return at::maximum(a, b); });
    }
    void all_reduce_min(at::Tensor& tensor) override {
        reduce(tensor, [](const at::Tensor& a, const at::Tensor& b) { return at::minimum(a, b); });
    }
    void broadcast(at::Tensor& tensor, int root) override {
        tensor.copy_(meeting_->exchange(rank_, tensor)[size_t(root)]);
    }
    std::string broadcast_text(const std::string& text) override { return gather_text(text)[0]; }
    std::vector<std::string> gather_text(const std::string& text) override {
        ++collectives;
        return meeting_->exchange(rank_, text);
    }
    void barrier() override { meeting_->exchange(rank_, std::string()); }

    int collectives = 0;

  private:
    template <class Operation>
    void reduce(at::Tensor& tensor, const Operation& operation) {
        ++collectives;
        const std::vector<at::Tensor> all = meeting_->exchange(rank_, tensor);
        at::Tensor result = all[0];
        for (size_t other = 1; other < all.size(); ++other) result = operation(result, all[other]);
        tensor.copy_(result);
    }

    const std::shared_ptr<Meeting> meeting_;
    const int rank_;
};

/// Runs `body` once a rank; returns what each threw, "" for nothing.
inline std::vector<std::string> run_ranks(int size, const std::function<void(ThreadComm&)>& body) {
    const auto meeting = std::make_shared<Meeting>(size);
    std::vector<std::string> errors(static_cast<size_t>(size));
    std::vector<std::thread> threads;
    for (int rank = 0; rank < size; ++rank)
        threads.emplace_back([&, rank] {
            ThreadComm comm(meeting, rank);
            try {
                body(comm);
            } catch (const std::exception& error) {
                errors[size_t(rank)] = error.what();
            }
        });
    for (std::thread& thread : threads) thread.join();
    return errors;
}

}  // namespace ailab::test
