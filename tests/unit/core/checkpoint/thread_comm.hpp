#pragma once
// Ranks as threads of one process: each test rank gets a Comm, and collectives meet at a barrier.
#include <ATen/ATen.h>

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ailab/comm.hpp"

namespace ailab::test {

/// What the ranks share.
class Meeting {
  public:
    explicit Meeting(int size) : size_(size), texts(size_t(size)), tensors(size_t(size)) {}

    void wait() {
        std::unique_lock lock(mutex_);
        const int round = round_;
        if (++arrived_ == size_) {
            arrived_ = 0;
            ++round_;
            all_here_.notify_all();
        } else {
            all_here_.wait(lock, [&] { return round_ != round; });
        }
    }

  private:
    const int size_;
    std::mutex mutex_;
    std::condition_variable all_here_;
    int arrived_ = 0;
    int round_ = 0;

  public:
    std::vector<std::string> texts;
    std::vector<at::Tensor> tensors;
};

class ThreadComm final : public Comm {
  public:
    ThreadComm(int rank, int size, Meeting& meeting)
        : rank_(rank), size_(size), meeting_(meeting) {}

    int rank() const override { return rank_; }
    int world_size() const override { return size_; }
    int local_rank() const override { return rank_; }
    int local_size() const override { return size_; }
    void all_reduce_sum(at::Tensor& tensor) override {
        reduce(tensor, [](at::Tensor& a, const at::Tensor& b) { a.add_(b); });
    }
    void all_reduce_max(at::Tensor& tensor) override {
        reduce(tensor, [](at::Tensor& a, const at::Tensor& b) { a.copy_(at::maximum(a, b)); });
    }
    void all_reduce_min(at::Tensor& tensor) override {
        reduce(tensor, [](at::Tensor& a, const at::Tensor& b) { a.copy_(at::minimum(a, b)); });
    }
    void broadcast(at::Tensor& tensor, int root) override {
        meeting_.tensors[size_t(rank_)] = tensor.clone();
        meeting_.wait();
        tensor.copy_(meeting_.tensors[size_t(root)]);
        meeting_.wait();
    }
    std::string broadcast_text(const std::string& text) override { return gather_text(text)[0]; }
    std::vector<std::string> gather_text(const std::string& text) override {
        ++collectives;
        meeting_.texts[size_t(rank_)] = text;
        meeting_.wait();
        std::vector<std::string> all = meeting_.texts;
        meeting_.wait();
        return all;
    }
    void barrier() override { meeting_.wait(); }

    int collectives = 0;

  private:
    template <class Operation>
    void reduce(at::Tensor& tensor, const Operation& operation) {
        ++collectives;
        meeting_.tensors[size_t(rank_)] = tensor.clone();
        meeting_.wait();
        at::Tensor result = meeting_.tensors[0].clone();
        for (int other = 1; other < size_; ++other)
            operation(result, meeting_.tensors[size_t(other)]);
        tensor.copy_(result);
        meeting_.wait();
    }

    int rank_;
    int size_;
    Meeting& meeting_;
};

/// Runs `body` once a rank; returns what each threw, "" for nothing.
inline std::vector<std::string> run_ranks(int size, const std::function<void(ThreadComm&)>& body) {
    Meeting meeting(size);
    std::vector<std::string> errors(static_cast<size_t>(size));
    std::vector<std::thread> threads;
    for (int rank = 0; rank < size; ++rank)
        threads.emplace_back([&, rank] {
            ThreadComm comm(rank, size, meeting);
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
