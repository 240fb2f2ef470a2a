// A module whose state is the same on all ranks, each rank's own, or cut over the ranks; and the
// collectives that make such cuts.
#include <ailab/ailab.hpp>

AILAB_PLUGIN("scopes", "1.0", "State that lies on several ranks, and collectives for it")

namespace {

using ailab::concat;
using ailab::Tensor;

/// A [7, 3] tensor of which each rank keeps some rows. Every step adds to all of it alike.
class ScopedHook : public ailab::Hook {
  public:
    void set_rank(int rank, int world_size) override {
        rank_ = rank;
        ranks_ = world_size;
        cut();
    }
    void after_step(ailab::Run&) override {
        ++steps_;
        cut();
    }
    ailab::State save_state() const override {
        ailab::State state;
        state.tensors["replicated"] = torch::full({2}, steps_, torch::kDouble);
        state.rank_tensors["own"] = torch::full({3}, 100 * rank_ + steps_, torch::kLong);
        state.shards["rows"] = {rows_, {first_, 0}, {7, 3}};
        state.values.set("steps", ailab::Node(steps_));
        return state;
    }
    void load_state(const ailab::State& state) override {
        steps_ = state.values.find("steps")->as_int();
        const ailab::Shard& shard = state.shards.at("rows");
        cut();
        if (shard.offset != std::vector<int64_t>{first_, 0} || !torch::equal(shard.piece, rows_))
            throw ailab::Error(concat("rank ", rank_, ": other rows, from ", shard.offset[0]));
        if (!torch::equal(state.tensors.at("replicated"), torch::full({2}, steps_, torch::kDouble)))
            throw ailab::Error("another replicated tensor");
        const auto own = state.rank_tensors.find("own");
        const bool found = own != state.rank_tensors.end();
        if (found &&
            !torch::equal(own->second, torch::full({3}, 100 * rank_ + steps_, torch::kLong)))
            throw ailab::Error("another rank's tensor");
        ailab::log_info("scopes: after ", steps_, " steps rank ", rank_, " of ", ranks_, " has ",
                        rows_.size(0), " rows from ", first_, found ? " and" : " and not",
                        " its own tensor");
    }

  private:
    void cut() {
        const int64_t each = (7 + ranks_ - 1) / ranks_;
        first_ = std::min<int64_t>(7, rank_ * each);
        rows_ = (torch::arange(21, torch::kDouble).view({7, 3}).sin() * double(steps_ + 1))
                    .narrow(0, first_, std::min<int64_t>(each, 7 - first_))
                    .clone();
    }
    int64_t rank_ = 0, ranks_ = 1, first_ = 0, steps_ = 0;
    Tensor rows_;
};
AILAB_REGISTER_HOOK(ScopedHook, "State of all scopes, checked when it is loaded")

/// Compares all_gather and reduce_scatter_sum with what they mean.
class CollectivesHook : public ailab::Hook {
  public:
    void before_run(ailab::Run& run) override {
        ailab::Comm& comm = run.comm();
        const int64_t ranks = comm.world_size(), rank = comm.rank();
        for (const auto type : {torch::kFloat, torch::kDouble, torch::kLong, torch::kComplexDouble})
            for (const int64_t count : {0, 1, 5, 100000}) {
                // Of small whole numbers, so that no sum is rounded.
                const Tensor all = (torch::arange(ranks * count, torch::kLong) % 97).to(type);
                const std::string what = concat(" of ", count, " of ", c10::toString(type));
                Tensor whole = torch::full({ranks, count}, -1, type);
                const Tensor mine = all.view({ranks, count})[rank];
                comm.all_gather(whole, mine);
                if (!torch::equal(whole.view({-1}), all)) throw ailab::Error("all_gather" + what);
                // Not contiguous, on both sides.
                Tensor strided = torch::full({count, ranks}, -1, type).t();
                comm.all_gather(strided, mine);
                if (!torch::equal(strided.reshape({-1}), all))
                    throw ailab::Error("all_gather, strided," + what);
                Tensor piece = torch::full({count}, -1, type);
                comm.reduce_scatter_sum(piece, (all * (rank + 1)).view({ranks, count}));
                if (!torch::equal(piece, mine * (ranks * (ranks + 1) / 2)))
                    throw ailab::Error("reduce_scatter_sum" + what);
            }
        try {
            Tensor whole = torch::zeros({ranks * 3 + 1});
            comm.all_gather(whole, torch::zeros({3}));
            throw ailab::Error("a whole of another size was taken");
        } catch (const ailab::Error& error) {
            ailab::log_info("refused: ", error.what());
        }
        ailab::log_info("the collectives are right over ", ranks, " ranks");
    }
};
AILAB_REGISTER_HOOK(CollectivesHook, "Compares collectives with what they mean")

}  // namespace
