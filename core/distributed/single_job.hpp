#pragma once
#include "job.hpp"
#include "signals.hpp"

namespace ailab::dist {

/// A job of one rank: no store, no sockets, no thread.
class SingleJob final : public Job {
  public:
    explicit SingleJob(RankInfo rank_info);
    ~SingleJob() override;

    int rank() const override { return 0; }
    int world_size() const override { return 1; }
    int local_rank() const override { return rank_info_.local_rank; }
    int local_size() const override { return 1; }
    void all_reduce_sum(at::Tensor&) override {}
    void all_reduce_max(at::Tensor&) override {}
    void all_reduce_min(at::Tensor&) override {}
    void broadcast(at::Tensor&, int) override {}
    std::string broadcast_text(const std::string& text) override { return text; }
    std::vector<std::string> gather_text(const std::string& text) override { return {text}; }
    void barrier() override {}

    const RankInfo& rank_info() const override { return rank_info_; }
    const c10::intrusive_ptr<c10d::Store>& store() const override { return store_; }
    std::vector<std::string> exchange(const std::string&, const std::string& text) override {
        return {text};
    }
    void use(std::shared_ptr<Backend>, c10::Device) override {}
    c10::intrusive_ptr<c10d::Backend> backend() const override { return {}; }
    const std::string& backend_name() const override { return backend_name_; }
    void beat(const Heartbeat& heartbeat) noexcept override { beat_.set(heartbeat); }
    void doing(const char* what, const char* hook) noexcept override {
        beat_.set_doing(what, hook);
    }
    [[noreturn]] void fail(const std::string& message, int status) override;
    void finish() override;

  private:
    const RankInfo rank_info_;
    const c10::intrusive_ptr<c10d::Store> store_;
    const std::string backend_name_ = "none";
    BeatCell beat_;
    std::unique_ptr<SignalGuard> signals_;
};

}  // namespace ailab::dist
