// The backends that need no launcher, among processes that find each other through a file.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "suite.hpp"
#include "support/modules.hpp"
#include "support/ranks.hpp"

namespace ailab::testing {
namespace {

class Launched : public ::testing::TestWithParam<int> {};

TEST_P(Launched, EveryCollectiveGivesTheReferencesValues) {
    const int size = GetParam();
    const auto names = built_backends({"shm", "gloo"});
    ASSERT_FALSE(names.empty());
    const auto results = run_ranks(
        size,
        [&](int rank, c10::intrusive_ptr<c10d::Store> store) {
            at::set_num_threads(1);
            std::vector<CommPtr> backends;
            for (const std::string& name : names)
                backends.push_back(
                    load_backend(name)->create(rank_info_of(rank, size), store, at::kCPU));
            return check_all(backends);
        },
        50);
    for (const RankResult& result : results) {
        EXPECT_EQ(result.status, 0);
        EXPECT_EQ(result.report, "");
    }
}

/// The sum over two ranks that each take themselves for the only one of their host.
std::string sum_across_hosts(int rank, const c10::intrusive_ptr<c10d::Store>& store) {
    RankInfo rank_info = rank_info_of(rank, 2);
    rank_info.local_rank = 0;
    rank_info.local_size = 1;
    const CommPtr comm = load_backend("gloo")->create(rank_info, store, at::kCPU);
    std::vector<at::Tensor> tensors{at::full({3}, rank + 1)};
    comm->allreduce(tensors)->wait();
    return std::to_string(tensors[0].sum().item<int>());
}

TEST(GlooAcrossHosts, FindsAnAddressThatTheOthersReach) {
    for (const RankResult& result : run_ranks(2, sum_across_hosts)) EXPECT_EQ(result.report, "9");
}

TEST(GlooAcrossHosts, TakesTheInterfaceOfGlooSocketIfname) {
    const auto sum_over = [](const char* interface) {
        return run_ranks(2, [&](int rank, const c10::intrusive_ptr<c10d::Store>& store) {
            setenv("GLOO_SOCKET_IFNAME", interface, 1);
            return sum_across_hosts(rank, store);
        });
    };
    for (const RankResult& result : sum_over("lo")) EXPECT_EQ(result.report, "9");
    for (const RankResult& result : sum_over("no-such-interface"))
        EXPECT_NE(result.report.find("no-such-interface"), std::string::npos) << result.report;
}

INSTANTIATE_TEST_SUITE_P(Ranks, Launched, ::testing::Values(1, 2, 4));

}  // namespace
}  // namespace ailab::testing
