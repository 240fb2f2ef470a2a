// What differs from rank to rank, or lies on several, is read by any number of ranks.
#include "checkpoint/sharded_tensors.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <filesystem>

#include "ailab/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/manifest.hpp"
#include "core/distributed/thread_comm.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;
using test::run_ranks;
using test::ThreadComm;

class ShardedTensorsTest : public testing::Test {
  protected:
    void SetUp() override {
        root_ = fs::temp_directory_path() / ("ailab_shards_" + std::to_string(getpid()));
        fs::remove_all(root_);
        fs::create_directories(root_);
        path_ = root_ / "epoch_1";
    }
    void TearDown() override { fs::remove_all(root_); }

    std::vector<std::string> save(int ranks, const std::function<State(int rank)>& state) {
        return run_ranks(ranks, [&](ThreadComm& comm) {
            Checkpoint checkpoint;
            checkpoint.modules["hook.mine"] = state(comm.rank());
            write_checkpoint(path_, "", checkpoint, comm);
        });
    }
    State load(int rank, const State& now) const {
        validate_checkpoint(path_);
        const Checkpoint saved = read_checkpoint(path_, rank);
        State state = saved.modules.at("hook.mine");
        saved.shards.read("hook.mine", now, state);
        return state;
    }

    fs::path root_, path_;
};

/// Equal parts of the rows, the last ranks with fewer, or none.
Shard rows(const at::Tensor& whole, int rank, int ranks) {
    const int64_t each = (whole.size(0) + ranks - 1) / ranks;
    const int64_t first = std::min(whole.size(0), rank * each);
    const int64_t count = std::min(each, whole.size(0) - first);
    std::vector<int64_t> offset(size_t(whole.dim()), 0);
    offset[0] = first;
    return {whole.narrow(0, first, count), offset, whole.sizes().vec()};
}

Shard columns(const at::Tensor& whole, int rank, int ranks) {
    Shard shard = rows(whole.transpose(0, 1), rank, ranks);
    std::swap(shard.offset[0], shard.offset[1]);
    return {shard.piece.transpose(0, 1), shard.offset, whole.sizes().vec()};
}

std::vector<at::Tensor> wholes() {
    torch::manual_seed(1);
    return {at::randn({7, 3}, at::kDouble),
            at::randn({4, 9, 2}, at::kFloat).transpose(0, 1),
            at::randn({5, 8}, at::kFloat).to(at::kBFloat16),
            at::randn({6, 4}, at::kComplexFloat),
            at::arange(33).view({11, 3}),
            at::randn({10, 2}) > 0};
}

bool same(const at::Tensor& a, const at::Tensor& b) {
    return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() && at::equal(a, b);
}

TEST_F(ShardedTensorsTest, AreReadInAnyCutByAnyNumberOfRanks) {
    using Cut = Shard (*)(const at::Tensor&, int, int);
    const std::vector<std::pair<std::string, Cut>> cuts = {{"rows", rows}, {"columns", columns}};
    const std::vector<at::Tensor> tensors = wholes();
    for (const auto& [saved_name, saved_cut] : cuts)
        for (const int saved : {1, 3, 4}) {
            fs::remove_all(path_);
            const auto errors = save(saved, [&, cut = saved_cut](int rank) {
                State state;
                for (size_t i = 0; i < tensors.size(); ++i)
                    state.shards[std::to_string(i)] = cut(tensors[i], rank, saved);
                return state;
            });
            for (const std::string& error : errors) ASSERT_EQ(error, "");
            for (const auto& [name, cut] : cuts)
                for (const int ranks : {1, 2, 3, 4, 6})
                    for (int rank = 0; rank < ranks; ++rank) {
                        SCOPED_TRACE(concat(saved_name, " of ", saved, " as ", name, ", ", rank,
                                            " of ", ranks));
                        State now;
                        for (size_t i = 0; i < tensors.size(); ++i)
                            now.shards[std::to_string(i)] = cut(tensors[i], rank, ranks);
                        const State found = load(rank, now);
                        for (size_t i = 0; i < tensors.size(); ++i) {
                            const Shard& shard = found.shards.at(std::to_string(i));
                            const Shard expected = cut(tensors[i], rank, ranks);
                            EXPECT_TRUE(same(shard.piece, expected.piece)) << i;
                            EXPECT_EQ(shard.offset, expected.offset) << i;
                            EXPECT_EQ(shard.shape, expected.shape) << i;
                        }
                    }
        }
}

TEST_F(ShardedTensorsTest, AreReadWholeByOneWhoNamesNoPiece) {
    const at::Tensor whole = at::randn({7, 3}), scalar = at::scalar_tensor(2.5);
    const auto errors = save(3, [&](int rank) {
        State state;
        state.shards["rows"] = rows(whole, rank, 3);
        if (rank == 1) state.shards["scalar"] = {scalar, {}, {}};  // one rank may have all of it
        return state;
    });
    for (const std::string& error : errors) ASSERT_EQ(error, "");
    const State found = load(0, {});
    EXPECT_TRUE(same(found.shards.at("rows").piece, whole));
    EXPECT_TRUE(same(found.shards.at("scalar").piece, scalar));
}

TEST_F(ShardedTensorsTest, OfARankAreItsOwnAndThoseOfMoreRanksHaveNone) {
    const auto errors = save(3, [](int rank) {
        State state;
        state.tensors["same"] = at::full({2}, rank + 10);
        state.rank_tensors["own"] = at::full({2}, rank);
        return state;
    });
    for (const std::string& error : errors) ASSERT_EQ(error, "");
    for (int rank = 0; rank < 5; ++rank) {
        const State found = load(rank, {});
        EXPECT_TRUE(same(found.tensors.at("same"), at::full({2}, 10)));
        ASSERT_EQ(found.rank_tensors.size(), rank < 3 ? 1u : 0u);
        if (rank < 3) EXPECT_TRUE(same(found.rank_tensors.at("own"), at::full({2}, rank)));
        EXPECT_TRUE(read_checkpoint(path_, rank).rank.tensors.empty()) << "they are the module's";
    }
}

TEST_F(ShardedTensorsTest, AreNeedsThatAnEarlierReaderRefuses) {
    save(1, [](int) { return State{}; });
    EXPECT_TRUE(read_manifest(path_).needs.empty());
    save(2, [](int rank) {
        State state;
        state.rank_tensors["own"] = at::full({2}, rank);
        state.shards["rows"] = rows(at::randn({4, 2}), rank, 2);
        return state;
    });
    EXPECT_EQ(read_manifest(path_).needs, (std::vector<std::string>{"rank_tensors", "shards"}));
}

struct Refused {
    std::string name;
    std::function<State(int rank)> state;  // of two ranks
    std::string message;
};

State with_shard(Shard shard) {
    State state;
    state.shards["x"] = std::move(shard);
    return state;
}

const std::vector<Refused>& refused() {
    static const std::vector<Refused> cases = {
        {"overlap",
         [](int rank) {
             return with_shard({at::ones({2}), {rank}, {3}});
         },
         "the pieces of the sharded tensor \"hook.mine/x\" overlap: that of rank 0, of [2] from "
         "[0], and that of rank 1, of [2] from [1]"},
        {"gap",
         [](int rank) {
             return with_shard({at::ones({2}), {rank * 3}, {5}});
         },
         "the pieces of the sharded tensor \"hook.mine/x\" of [5] have 4 of its 5 elements"},
        {"outside",
         [](int rank) {
             return with_shard({at::ones({2}), {rank * 2}, {3}});
         },
         "the shard \"x\" of hook.mine: a piece of [2] from [2] does not lie within [3]"},
        {"other dimensions",
         [](int) {
             return with_shard({at::ones({2}), {0, 0}, {2, 1}});
         },
         "the shard \"x\" of hook.mine: a piece of [2] from [0, 0] does not lie within [2, 1]"},
        {"two shapes",
         [](int rank) {
             return with_shard({at::ones({2}), {rank * 2}, {4 + rank}});
         },
         "the sharded tensor \"hook.mine/x\" is [5] for one rank and [4] for another"},
        {"no piece",
         [](int) {
             return with_shard({{}, {0}, {2}});
         },
         "the shard \"x\" of hook.mine has no piece, not even an empty one"},
        {"two maps",
         [](int rank) {
             State state = with_shard({at::ones({1}), {rank}, {2}});
             state.rank_tensors["x"] = at::ones({1});
             return state;
         },
         "the shard \"x\" of hook.mine has the name of another tensor of it"},
        {"for all and for each",
         [](int) {
             State state;
             state.tensors["x"] = state.rank_tensors["x"] = at::ones({1});
             return state;
         },
         "the state of hook.mine has \"x\" for all ranks and for each"}};
    return cases;
}

TEST_F(ShardedTensorsTest, ThatAreNoTensorAreRefusedOnAllRanksAndLeaveNothing) {
    for (const Refused& refused : refused()) {
        SCOPED_TRACE(refused.name);
        for (const std::string& error : save(2, refused.state))
            EXPECT_NE(error.find(refused.message), std::string::npos) << error;
        EXPECT_TRUE(fs::is_empty(root_));
    }
}

TEST_F(ShardedTensorsTest, OfAnotherShapeThanNowAreRefused) {
    save(2, [](int rank) { return with_shard({at::ones({2}), {rank * 2}, {4}}); });
    State now = with_shard({at::ones({3}), {0}, {6}});
    try {
        load(0, now);
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(std::string(error.what()),
                  "the sharded tensor \"x\" of hook.mine was [4] when it was saved, and the piece "
                  "of this rank is now [3] from [0] of [6]");
    }
}

TEST_F(ShardedTensorsTest, WhoseFileIsGoneOrChangedMakeADamagedCheckpoint) {
    save(2, [](int rank) { return with_shard({at::ones({2}), {rank * 2}, {4}}); });
    ASSERT_TRUE(fs::exists(path_ / "shards1.safetensors"));
    fs::remove(path_ / "shards1.safetensors");
    EXPECT_THROW(validate_checkpoint(path_), Error);
}

TEST(Comm, GathersAndScattersByWhatEveryCommHas) {
    const auto errors = run_ranks(3, [](ThreadComm& comm) {
        for (const auto& options : {at::TensorOptions(at::kDouble), at::TensorOptions(at::kFloat),
                                    at::TensorOptions(at::kChar), at::TensorOptions(at::kLong)}) {
            const at::Tensor all = at::arange(3 * 5, options).view({3, 5}) - 7;
            at::Tensor whole = at::empty({3, 5}, options), piece = at::empty({5}, options);
            comm.all_gather(whole, all[comm.rank()]);
            if (!at::equal(whole, all)) throw Error("gathered otherwise");
            if (options.dtype() == at::kChar) continue;  // its sums would be those of bytes
            comm.reduce_scatter_sum(piece, all * (comm.rank() + 1));
            if (!at::equal(piece, all[comm.rank()] * 6)) throw Error("scattered otherwise");
        }
        // Every bit, of what is no number too.
        const at::Tensor odd = at::tensor({-0.0, std::nan(""), double(comm.rank())}, at::kDouble);
        at::Tensor whole = at::empty({9}, at::kDouble);
        comm.all_gather(whole, odd);
        const at::Tensor own = whole.narrow(0, 3 * comm.rank(), 3);
        if (!at::equal(own.view(at::kLong), odd.view(at::kLong))) throw Error("a bit is another");
    });
    for (const std::string& error : errors) EXPECT_EQ(error, "");
}

}  // namespace
}  // namespace ailab
