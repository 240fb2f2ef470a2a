// What the ranks hear when one of them fails, and that none waits for ever.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <set>
#include <thread>

#include "ailab/shared_buckets.hpp"
#include "suite.hpp"
#include "support/modules.hpp"
#include "support/ranks.hpp"

namespace ailab::testing {
namespace {

using ::testing::Test;
using Store = c10::intrusive_ptr<c10d::Store>;

CommPtr shm(int rank, int size, const Store& store) {
    at::set_num_threads(1);
    return load_backend("shm")->create(rank_info_of(rank, size), store, at::kCPU);
}

void sum(const CommPtr& comm, int64_t count) {
    std::vector<at::Tensor> tensors{at::ones({count})};
    comm->allreduce(tensors)->wait();
}

std::set<std::string> segments_in_dev_shm() {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator("/dev/shm"))
        if (const std::string name = entry.path().filename().string(); name.starts_with("ailab-"))
            names.insert(name);
    return names;
}

/// The segments that came after `before` and stay. Those of a job beside this test have a name for
/// a moment only.
std::set<std::string> segments_left(const std::set<std::string>& before) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    std::set<std::string> left = segments_in_dev_shm();
    for (const std::string& name : before) left.erase(name);
    while (!left.empty() && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        const std::set<std::string> now = segments_in_dev_shm();
        std::erase_if(left, [&](const std::string& name) { return !now.contains(name); });
    }
    return left;
}

TEST(ShmFailure, AKilledRankIsNamedToThoseWhoWaitForIt) {
    const auto begun = std::chrono::steady_clock::now();
    const auto results = run_ranks(3, [](int rank, const Store& store) {
        const CommPtr comm = shm(rank, 3, store);
        sum(comm, 10);
        if (rank == 1) raise(SIGKILL);
        sum(comm, 10);
        return std::string("went on");
    });
    EXPECT_EQ(results[1].status, 128 + SIGKILL);
    for (const int rank : {0, 2}) {
        EXPECT_EQ(results[size_t(rank)].report,
                  "shm: rank 1 is gone (it was killed, or has ended) while rank " +
                      std::to_string(rank) + " was in allreduce sum of 10 Float");
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(5));
}

TEST(ShmFailure, AKilledRankIsNamedToThoseWhoWaitForItsMessage) {
    const auto results = run_ranks(2, [](int rank, const Store& store) {
        const CommPtr comm = shm(rank, 2, store);
        if (rank == 1) raise(SIGKILL);
        std::vector<at::Tensor> tensors{at::ones({10})};
        comm->recv(tensors, 1, 0)->wait();
        return std::string("went on");
    });
    EXPECT_EQ(results[0].report,
              "shm: rank 1 is gone (it was killed, or has ended) while rank 0 was in a message of "
              "40 bytes from rank 1");
}

TEST(ShmFailure, RanksThatMakeDifferentCallsHearOfBoth) {
    const auto results = run_ranks(2, [](int rank, const Store& store) {
        const CommPtr comm = shm(rank, 2, store);
        if (rank == 0)
            sum(comm, 10);
        else
            comm->barrier()->wait();
        return std::string("went on");
    });
    EXPECT_EQ(results[0].report,
              "shm: the ranks make different calls: rank 0 allreduce sum of 10 Float, rank 1 "
              "barrier. All ranks must make the same collective calls in the same order.");
    EXPECT_EQ(results[1].report,
              "shm: the ranks make different calls: rank 1 barrier, rank 0 allreduce sum of 10 "
              "Float. All ranks must make the same collective calls in the same order.");
}

TEST(ShmFailure, SizesThatDifferAreDifferentCalls) {
    const auto results = run_ranks(2, [](int rank, const Store& store) {
        sum(shm(rank, 2, store), 10 + rank);
        return std::string("went on");
    });
    EXPECT_EQ(results[0].report,
              "shm: the ranks make different calls: rank 0 allreduce sum of 10 Float, rank 1 "
              "allreduce sum of 11 Float. All ranks must make the same collective calls in the "
              "same order.");
}

TEST(ShmFailure, AbortEndsTheWaitOfTheOthers) {
    const auto begun = std::chrono::steady_clock::now();
    const auto results = run_ranks(2, [](int rank, const Store& store) {
        at::set_num_threads(1);
        const auto module = load_backend("shm");
        const CommPtr comm = module->create(rank_info_of(rank, 2), store, at::kCPU);
        if (rank == 0) {
            sum(comm, 10);
        } else {
            std::this_thread::sleep_for(std::chrono::milliseconds(200));
            module->abort();
            std::this_thread::sleep_for(std::chrono::milliseconds(500));
        }
        return std::string("went on");
    });
    EXPECT_EQ(results[0].report, "shm: rank 1 has ended the job");
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(5));
}

TEST(ShmFailure, ARankThatIsElsewhereIsNamedAtTheTimeout) {
    const auto results = run_ranks(2, [](int rank, const Store& store) {
        const CommPtr comm = shm(rank, 2, store);
        comm->setTimeout(std::chrono::milliseconds(1000));
        if (rank == 0)
            sum(comm, 10);
        else
            std::this_thread::sleep_for(std::chrono::milliseconds(2500));
        return std::string("went on");
    });
    EXPECT_EQ(results[0].report,
              "shm: rank 1 did not come to allreduce sum of 10 Float within 1 s; it lives, but is "
              "elsewhere");
}

TEST(ShmMemory, IsUnnamedWhileItIsUsedAndAfterKills) {
    const auto before = segments_in_dev_shm();
    const auto results = run_ranks(2, [&](int rank, const Store& store) {
        const CommPtr comm = shm(rank, 2, store);
        dynamic_cast<SharedBuckets&>(*comm).allocate_bucket(1 << 20);
        comm->barrier()->wait();
        raise(SIGKILL);
        return std::string("went on");
    });
    EXPECT_EQ(results[0].status, 128 + SIGKILL);
    EXPECT_EQ(segments_left(before), std::set<std::string>());
}

/// From here on this process can make no file, or shared memory, of more than `bytes`.
void limit_files(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, bytes};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) throw std::runtime_error("setrlimit failed");
}

TEST(ShmMemory, WhenItCannotBeHadAllRanksHearWhy) {
    const auto results = run_ranks(2, [](int rank, const Store& store) {
        if (rank == 0) limit_files(100000);
        shm(rank, 2, store);
        return std::string("went on");
    });
    for (const RankResult& result : results)
        EXPECT_EQ(result.report,
                  "shm cannot be used: cannot size shared memory: File too large. Give the "
                  "container more (docker run --shm-size=1g), or set dist.backend to mpi or gloo.");
}

TEST(ShmMemory, ABucketThatCannotBeHadIsUndefinedOnAllRanksAndTheRestWorks) {
    const auto results = run_ranks(2, [](int rank, const Store& store) {
        const CommPtr comm = shm(rank, 2, store);
        auto& shared = dynamic_cast<SharedBuckets&>(*comm);
        if (rank == 0) limit_files(4 << 20);
        const at::Tensor large = shared.allocate_bucket(64 << 20);
        const at::Tensor small = shared.allocate_bucket(4096);
        std::vector<at::Tensor> tensors{at::ones({1000})};
        comm->allreduce(tensors)->wait();
        return std::string(large.defined() ? "large " : "") + (small.defined() ? "small " : "") +
               std::to_string(tensors[0].sum().item<int>());
    });
    for (const RankResult& result : results) EXPECT_EQ(result.report, "small 2000");
}

TEST(ShmCalls, WrongTensorsAreRefusedWithTheReason) {
    struct Refused {
        const char* text;
        std::function<void(c10d::Backend&)> call;
    };
    const std::vector<Refused> table = {
        {"shm allreduce: expected one tensor, got 2",
         [](c10d::Backend& comm) {
             std::vector<at::Tensor> two{at::ones({1}), at::ones({1})};
             comm.allreduce(two);
         }},
        {"shm allreduce: the tensor is not defined",
         [](c10d::Backend& comm) {
             std::vector<at::Tensor> none{at::Tensor()};
             comm.allreduce(none);
         }},
        {"shm allreduce: takes dense tensors, got a sparse one",
         [](c10d::Backend& comm) {
             std::vector<at::Tensor> sparse{at::eye(3).to_sparse()};
             comm.allreduce(sparse);
         }},
        {"shm has no band for Float; it reduces float16, bfloat16, float32, float64, int8, uint8, "
         "int16, int32, int64 and bool (avg: not bool; band, bor, bxor: not floats)",
         [](c10d::Backend& comm) {
             std::vector<at::Tensor> floats{at::ones({1})};
             c10d::AllreduceOptions options;
             options.reduceOp = c10d::ReduceOp::BAND;
             comm.allreduce(floats, options);
         }},
        {"shm broadcast: root rank 3 is not one of 0 to 0",
         [](c10d::Backend& comm) {
             std::vector<at::Tensor> tensor{at::ones({1})};
             c10d::BroadcastOptions options;
             options.rootRank = 3;
             comm.broadcast(tensor, options);
         }},
        {"shm allgather: expected 1 output tensors, got 2",
         [](c10d::Backend& comm) {
             std::vector<at::Tensor> in{at::ones({1})};
             std::vector<std::vector<at::Tensor>> out{{at::ones({1}), at::ones({1})}};
             comm.allgather(out, in);
         }},
        {"shm allgather: an output is Float[2], the input Float[1]",
         [](c10d::Backend& comm) {
             std::vector<at::Tensor> in{at::ones({1})};
             std::vector<std::vector<at::Tensor>> out{{at::ones({2})}};
             comm.allgather(out, in);
         }},
        {"shm send: rank 0 is not another rank",
         [](c10d::Backend& comm) {
             std::vector<at::Tensor> tensor{at::ones({1})};
             comm.send(tensor, 0, 0);
         }},
    };
    const auto results = run_ranks(1, [&](int rank, const Store& store) {
        const CommPtr comm = shm(rank, 1, store);
        std::string texts;
        for (const Refused& refused : table) try {
                refused.call(*comm);
                texts += "accepted\n";
            } catch (const std::exception& error) {
                texts += std::string(error.what()) + "\n";
            }
        return texts;
    });
    std::string expected;
    for (const Refused& refused : table) expected += std::string(refused.text) + "\n";
    EXPECT_EQ(results[0].report, expected);
}

TEST(ShmCalls, AllToAllPartsThatDoNotFitAreRefused) {
    const auto results = run_ranks(2, [](int rank, const Store& store) {
        const CommPtr comm = shm(rank, 2, store);
        std::vector<at::Tensor> in{at::ones({2}), at::ones({2})};
        std::vector<at::Tensor> out{at::ones({2}), at::ones({rank == 0 ? 3 : 2})};
        comm->alltoall(out, in);
        return std::string("went on");
    });
    EXPECT_EQ(results[0].report, "shm alltoall: rank 1 sends 8 bytes to rank 0, which expects 12");
}

}  // namespace
}  // namespace ailab::testing
