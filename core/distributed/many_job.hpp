#pragma once
#include <map>

#include "rendezvous.hpp"

namespace ailab::dist {

/// A job of several ranks.
class ManyJob final : public Job {
  public:
    ManyJob(const RankInfo& rank_info, Joined joined, std::chrono::milliseconds timeout);
    ~ManyJob() override;

    int rank() const override { return rank_info_.rank; }
    int world_size() const override { return rank_info_.world_size; }
    int local_rank() const override { return rank_info_.local_rank; }
    int local_size() const override { return rank_info_.local_size; }
    void all_reduce_sum(at::Tensor& tensor) override;
    void all_reduce_max(at::Tensor& tensor) override;
    void all_reduce_min(at::Tensor& tensor) override;
    void broadcast(at::Tensor& tensor, int root) override;
    void all_gather(at::Tensor& whole, const at::Tensor& piece) override;
    void reduce_scatter_sum(at::Tensor& piece, const at::Tensor& whole) override;
    std::string broadcast_text(const std::string& text) override;
    std::vector<std::string> gather_text(const std::string& text) override;
    void barrier() override;

    const RankInfo& rank_info() const override { return rank_info_; }
    const c10::intrusive_ptr<c10d::Store>& store() const override { return store_; }
    std::vector<std::string> exchange(const std::string& key, const std::string& text) override;
    void use(std::shared_ptr<Backend> backend, c10::Device device) override;
    c10::intrusive_ptr<c10d::Backend> backend() const override { return communicator_; }
    const std::string& backend_name() const override { return backend_name_; }
    void beat(const Heartbeat& heartbeat) noexcept override { watcher_->beat().set(heartbeat); }
    void doing(const char* what, const char* hook) noexcept override {
        watcher_->beat().set_doing(what, hook);
    }
    [[noreturn]] void fail(const std::string& message, int status) override;
    void finish() override;

  private:
    static void stop_telling();
    void all_reduce(at::Tensor& tensor, c10d::ReduceOp::RedOpType op, const char* name);
    void require_backend() const;
    void on_device(at::Tensor& tensor, const std::function<void(at::Tensor&)>& collective);
    /// `tensor`: what a message shows of the call.
    template <class Start>
    void run(const char* name, const at::Tensor& tensor, const Start& start);
    /// How long Work::wait() may take: for a GPU it must not wait at all (the stream does).
    std::chrono::milliseconds wait_time() const;
    void to_store(const std::string& key, const std::string& text, const std::string& name);
    std::string from_store(const std::string& key, const std::string& name, int from_rank);
    std::string broadcast_by_store(const std::string& text);
    std::string broadcast_by_backend(const std::string& text);
    std::vector<std::string> gather_by_backend(const std::string& text);

    RankInfo rank_info_;
    std::unique_ptr<Watcher> watcher_;
    c10::intrusive_ptr<c10d::Store> store_;
    const std::chrono::milliseconds timeout_;
    std::shared_ptr<Backend> backend_;
    c10::intrusive_ptr<c10d::Backend> communicator_;
    std::string backend_name_ = "none";
    c10::Device device_ = c10::Device(c10::kCPU);
    int64_t exchanges_ = 0;
    bool finished_ = false;
};

}  // namespace ailab::dist
