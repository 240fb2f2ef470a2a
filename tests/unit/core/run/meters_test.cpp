// Means of what is recorded in an interval.
#include "run/meters.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/distributed/thread_comm.hpp"

namespace ailab {
namespace {

using Means = std::vector<std::pair<std::string, double>>;

void alone(const std::function<void(Meters&)>& check) {
    const auto errors = test::run_ranks(1, [&](test::ThreadComm& comm) {
        Meters meters(comm);
        check(meters);
    });
    EXPECT_EQ(errors[0], "");
}

// A float16 step whose gradients overflow is not taken: its norm is infinite.
TEST(Meters, LeaveOutTheStepsThatWereNotTaken) {
    alone([](Meters& meters) {
        const Tensor taken = torch::zeros({}), left_out = torch::ones({});
        const Tensor infinite = torch::full({}, std::numeric_limits<float>::infinity());
        meters.add_unless(left_out, "norm", infinite, 4);
        meters.add_unless(taken, "norm", torch::full({}, 2.0F), 4);
        meters.add_unless(left_out, "norm", torch::full({}, std::nanf("")), 4);
        meters.add_unless(taken, "norm", torch::full({}, 5.0F), 2);
        EXPECT_EQ(meters.reduce(), (Means{{"norm", 3}}));
    });
}

TEST(Meters, SayNothingOfAnIntervalWithoutSteps) {
    alone([](Meters& meters) {
        meters.add("loss", 1.5, 4);
        meters.add_unless(torch::ones({}), "norm", torch::ones({}), 4);
        EXPECT_EQ(meters.reduce(), (Means{{"loss", 1.5}}));
        meters.add_unless(torch::zeros({}), "norm", torch::ones({}), 4);
        EXPECT_EQ(meters.reduce(), (Means{{"norm", 1}}));
    });
}

TEST(Meters, GoOnFromWhatWasSaved) {
    alone([](Meters& meters) {
        meters.add("loss", 1, 2);
        const Node saved = meters.save();
        meters.add("loss", 4, 1);
        alone([&](Meters& resumed) {
            resumed.load(saved);
            resumed.add("loss", 4, 1);
            EXPECT_EQ(resumed.reduce(), (Means{{"loss", 2}}));
        });
        EXPECT_EQ(meters.reduce(), (Means{{"loss", 2}})) << "saving takes nothing away";
    });
}

}  // namespace
}  // namespace ailab
