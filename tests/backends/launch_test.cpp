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
                    load_backend(name)->create(placement_of(rank, size), store, at::kCPU));
            return check_all(backends);
        },
        50);
    for (const RankResult& result : results) {
        EXPECT_EQ(result.status, 0);
        EXPECT_EQ(result.report, "");
    }
}

INSTANTIATE_TEST_SUITE_P(Ranks, Launched, ::testing::Values(1, 2, 3, 4));

}  // namespace
}  // namespace ailab::testing
