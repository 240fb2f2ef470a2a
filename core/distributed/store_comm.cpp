#include "store_comm.hpp"

#include "ailab/error.hpp"
#include "modules/collective.hpp"

namespace ailab {
namespace {

class StoreComm final : public Comm {
  public:
    StoreComm(Job& job, const std::string& name)
        : job_(job), prefix_(concat("ailab/background/", name, "/")) {}

    int rank() const override { return job_.rank(); }
    int world_size() const override { return job_.world_size(); }
    int local_rank() const override { return job_.local_rank(); }
    int local_size() const override { return job_.local_size(); }

    std::string broadcast_text(const std::string& text) override {
        if (world_size() == 1) return text;
        const std::string key = next_key("broadcast");
        if (rank() != 0) return wait_for(key);
        set(key, text);
        return text;
    }
    std::vector<std::string> gather_text(const std::string& text) override {
        if (world_size() == 1) return {text};
        const std::string key = next_key("gather");
        set(key + std::to_string(rank()), text);
        std::vector<std::string> texts;
        for (int from = 0; from < world_size(); ++from)
            texts.push_back(from == rank() ? text : wait_for(key + std::to_string(from)));
        return texts;
    }
    void barrier() override { gather_text(""); }

    void all_reduce_sum(at::Tensor&) override { refuse(); }
    void all_reduce_max(at::Tensor&) override { refuse(); }
    void all_reduce_min(at::Tensor&) override { refuse(); }
    void broadcast(at::Tensor&, int) override { refuse(); }

  private:
    [[noreturn]] static void refuse() {
        throw Error("a background thread may exchange text alone");
    }
    std::string next_key(const char* what) { return concat(prefix_, count_++, "/", what, "/"); }

    /// Without an end of its own: a rank that is gone, or stands still, ends the whole job.
    std::string wait_for(const std::string& key) {
        const dist::InCollective here("the saving of a checkpoint",
                                      dist::InCollective::Thread::saver);
        return by_store([&] {
            job_.store()->wait({key}, c10d::Store::kNoTimeout);
            return job_.store()->get_to_str(key);
        });
    }
    void set(const std::string& key, const std::string& text) {
        by_store([&] { job_.store()->set(key, text); });
    }

    /// A rank 0 that stops between two calls answers the second no more: that is its failure, of
    /// which its silence tells, and not this rank's.
    template <class Call>
    static auto by_store(Call call) -> decltype(call()) {
        try {
            return call();
        } catch (const c10::Error& error) {
            throw dist::CollectiveError(
                concat("an exchange for the saving of a checkpoint failed: ",
                       error.what_without_backtrace()));
        }
    }

    Job& job_;
    const std::string prefix_;
    int64_t count_ = 0;
};

}  // namespace

std::unique_ptr<Comm> make_store_comm(Job& job, const std::string& name) {
    return std::make_unique<StoreComm>(job, name);
}

}  // namespace ailab
