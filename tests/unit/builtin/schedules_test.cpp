#include <gtest/gtest.h>

#include "make_module.hpp"

namespace ailab {
namespace {

using test::make;

// From reference.py: t = 0 … 8, base 0.5.
TEST(Schedules, GivePyTorchsNumbers) {
    const std::vector<std::pair<const char*, std::vector<double>>> table = {
        {R"({"type": "StepLR", "step_size": 3, "gamma": 0.5})",
         {0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125}},
        {R"({"type": "CosineAnnealingLR", "T_max": 5, "eta_min": 0.1})",
         {0.5, 0.46180339887498956, 0.3618033988749896, 0.2381966011250106, 0.13819660112501056,
          0.1, 0.13819660112501053, 0.23819660112501062, 0.3618033988749897}},
    };
    for (const auto& [json, expected] : table) {
        const auto schedule = make<LrScheduler>(json);
        // Backwards too: the time alone counts.
        for (size_t t = expected.size(); t-- > 0;)
            EXPECT_NEAR(schedule->lr(0.5, int64_t(t)), expected[t], 1e-15) << json << " at " << t;
    }
}

TEST(Schedules, CosineTakesTheWholeRunByDefault) {
    const auto schedule = make<LrScheduler>(R"({"type": "CosineAnnealingLR"})");
    EXPECT_EQ(test::error_of([&] { schedule->lr(1, 0); }),
              "CosineAnnealingLR needs T_max: the length of the run is not known");
    schedule->set_length({10});
    EXPECT_EQ(schedule->lr(1, 0), 1);
    EXPECT_NEAR(schedule->lr(1, 5), 0.5, 1e-15);
    EXPECT_NEAR(schedule->lr(1, 10), 0, 1e-15);
    const auto given = make<LrScheduler>(R"({"type": "CosineAnnealingLR", "T_max": 4})");
    given->set_length({10});
    EXPECT_NEAR(given->lr(1, 4), 0, 1e-15);
}

TEST(Schedules, CheckTheirOptions) {
    for (const char* bad : {R"({"type": "StepLR"})", R"({"type": "StepLR", "step_size": 0})",
                            R"({"type": "CosineAnnealingLR", "T_max": 0})"})
        EXPECT_THROW(make<LrScheduler>(bad), ConfigError) << bad;
}

}  // namespace
}  // namespace ailab
