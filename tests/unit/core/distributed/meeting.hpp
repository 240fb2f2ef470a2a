#pragma once
// Where ranks meet that are threads of one process.
#include <ATen/ATen.h>

#include <any>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace ailab::test {

class Meeting {
  public:
    explicit Meeting(int size) : given_(size_t(size)) {}

    int size() const { return int(given_.size()); }
    /// What each rank has brought, in their order: copies of tensors, which all ranks share (not to
    /// be changed). Every rank must come.
    std::vector<at::Tensor> exchange(int rank, const at::Tensor& mine) {
        return exchange_values<at::Tensor>(rank, mine.clone());
    }
    std::vector<std::string> exchange(int rank, const std::string& mine) {
        return exchange_values<std::string>(rank, mine);
    }
    /// The sum in the order of ranks.
    at::Tensor sum(int rank, const at::Tensor& mine) {
        const at::NoGradGuard no_grad;
        const std::vector<at::Tensor> all = exchange(rank, mine);
        at::Tensor total = all[0].clone();
        for (size_t other = 1; other < all.size(); ++other) total.add_(all[other]);
        return total;
    }

  private:
    template <class Value>
    std::vector<Value> exchange_values(int rank, Value mine) {
        std::unique_lock lock(mutex_);
        const uint64_t round = round_;
        given_[size_t(rank)] = std::move(mine);
        if (++arrived_ == given_.size()) {
            arrived_ = 0;
            ++round_;
            taken_ = given_;
            all_here_.notify_all();
        } else {
            if (!all_here_.wait_for(lock, std::chrono::minutes(2), [&] { return round_ != round; }))
                throw std::runtime_error("a rank did not come");
        }
        // The next round cannot end before this rank has come to it.
        std::vector<Value> all;
        for (const std::any& value : taken_) all.push_back(std::any_cast<Value>(value));
        return all;
    }

    std::mutex mutex_;
    std::condition_variable all_here_;
    std::vector<std::any> given_, taken_;
    size_t arrived_ = 0;
    uint64_t round_ = 0;
};

}  // namespace ailab::test
