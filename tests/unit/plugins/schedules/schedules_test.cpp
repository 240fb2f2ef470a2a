// The learning-rate schedules against PyTorch's (tests/reference/schedules.py).
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "plugins/make_module.hpp"

namespace ailab {
namespace {

using nlohmann::json;
using test::contains;
using test::error_of;
using test::make;

json reference() {
    std::ifstream file(AILAB_REFERENCE "/schedules.json");
    return json::parse(file);
}

double observed(const json& value) {
    return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

TEST(Schedules, GivePyTorchsNumbers) {
    const json file = reference();
    const auto length = file["length"].get<int64_t>();
    ASSERT_GT(file["cases"].size(), 0U);
    for (const json& c : file["cases"]) {
        const auto schedule = make<LrScheduler>(c["schedule"].dump());
        schedule->set_greater_is_better(false);  // PyTorch's mode if none is given
        schedule->set_length({length});
        const auto base_lr = c["base_lr"].get<double>();
        for (int64_t step = 0; step < length; ++step) {
            // Backwards where the time alone counts.
            const int64_t t = schedule->needs_metric() ? step : length - 1 - step;
            const auto expected = c["lr"][size_t(t)].get<double>();
            EXPECT_NEAR(schedule->lr(base_lr, t), expected, 1e-9 * expected + 1e-17)
                << c["schedule"] << ", base " << base_lr << ", at " << t;
            const std::optional<double> momentum = schedule->momentum(0.9, t);
            ASSERT_EQ(momentum.has_value(), c.contains("momentum")) << c["schedule"];
            if (momentum)
                EXPECT_NEAR(*momentum, c["momentum"][size_t(t)].get<double>(), 1e-9)
                    << c["schedule"] << " at " << t;
            if (schedule->needs_metric()) schedule->observe(observed(file["observed"][size_t(t)]));
        }
    }
}

TEST(Schedules, TakeTheWholeRunByDefault) {
    struct Case {
        const char* json;
        const char* error;
        double at_0, at_5, at_10;  // of a run of 10
    };
    const std::vector<Case> table = {
        {R"({"type": "CosineAnnealingLR"})",
         "CosineAnnealingLR needs T_max: the length of the run is not known", 1, 0.5, 0},
        {R"({"type": "WarmupAndCosineAnnealingLR", "warmup_steps": 0})",
         "WarmupAndCosineAnnealingLR needs total_steps: the length of the run is not known", 1, 0.5,
         0},
        {R"({"type": "OneCycleLR", "pct_start": 0.6, "anneal_strategy": "linear", "div_factor": 10,
             "final_div_factor": 1})",
         "OneCycleLR needs total_steps: the length of the run is not known", 0.1, 1, -0.125},
        {R"({"type": "PolynomialLR"})",
         "PolynomialLR needs total_iters: the length of the run is not known", 1, 0.5, 0},
    };
    for (const Case& c : table) {
        const auto schedule = make<LrScheduler>(c.json);
        EXPECT_EQ(error_of([&] { schedule->lr(1, 0); }), c.error);
        schedule->set_length({0});  // a run whose length is not known
        EXPECT_EQ(error_of([&] { schedule->lr(1, 0); }), c.error);
        schedule->set_length({10});
        EXPECT_NEAR(schedule->lr(1, 0), c.at_0, 1e-15) << c.json;
        EXPECT_NEAR(schedule->lr(1, 5), c.at_5, 1e-15) << c.json;
        EXPECT_NEAR(schedule->lr(1, 10), c.at_10, 1e-15) << c.json;
    }
    const auto given = make<LrScheduler>(R"({"type": "CosineAnnealingLR", "T_max": 4})");
    given->set_length({10});
    EXPECT_NEAR(given->lr(1, 4), 0, 1e-15);
}

// Those of a warm-up keep PyTorch's five, after which the rate is whole.
TEST(Schedules, OfAWarmUpTakeFiveByDefault) {
    for (const char* type : {"LinearLR", "ConstantLR"}) {
        const auto schedule = make<LrScheduler>(concat(R"({"type": ")", type, R"("})"));
        schedule->set_length({100});
        EXPECT_LT(schedule->lr(1, 4), 1) << type;
        EXPECT_EQ(schedule->lr(1, 5), 1) << type;
    }
}

TEST(Schedules, OnPlateauFollowTheResultsNameUnlessTheirModeSays) {
    struct Case {
        const char* mode;
        bool greater_is_better;
        double after_a_rise, after_a_fall;
    };
    const std::vector<Case> table = {
        {"", false, 0.1, 1},
        {"", true, 1, 0.1},
        {R"(, "mode": "min")", true, 0.1, 1},
        {R"(, "mode": "max")", false, 1, 0.1},
    };
    for (const Case& c : table)
        for (const bool rises : {true, false}) {
            const auto schedule = make<LrScheduler>(
                concat(R"({"type": "ReduceLROnPlateau", "patience": 0)", c.mode, "}"));
            schedule->set_greater_is_better(c.greater_is_better);
            schedule->observe(1);
            schedule->observe(rises ? 2 : 0.5);
            EXPECT_NEAR(schedule->lr(1, 0), rises ? c.after_a_rise : c.after_a_fall, 1e-15)
                << c.mode << c.greater_is_better << rises;
        }
}

TEST(Schedules, PartsOfASequenceTakeTheTimeThatTheyHave) {
    const auto schedule = make<LrScheduler>(R"({"type": "SequentialLR", "milestones": [4],
        "schedulers": [{"type": "CosineAnnealingLR"}, {"type": "CosineAnnealingLR"}]})");
    schedule->set_length({10});
    EXPECT_NEAR(schedule->lr(1, 2), 0.5, 1e-15);
    EXPECT_NEAR(schedule->lr(1, 4), 1, 1e-15);
    EXPECT_NEAR(schedule->lr(1, 7), 0.5, 1e-15);
    EXPECT_NEAR(schedule->lr(1, 10), 0, 1e-15);
}

TEST(Schedules, OfASequenceMoveTheMomentumInTheirTime) {
    const auto schedule = make<LrScheduler>(R"({"type": "SequentialLR", "milestones": [4],
        "schedulers": [{"type": "ConstantLR"}, {"type": "OneCycleLR"}]})");
    schedule->set_length({10});
    EXPECT_EQ(schedule->momentum(0.9, 3), std::nullopt);
    EXPECT_EQ(schedule->momentum(0.9, 4), 0.95);
}

TEST(Schedules, WithoutLengthOfAPhaseAreAtItsEnd) {
    // The way up ends at time 0.25 * 4 - 1 = 0.
    const auto schedule =
        make<LrScheduler>(R"({"type": "OneCycleLR", "total_steps": 4, "pct_start": 0.25})");
    EXPECT_EQ(schedule->lr(1, 0), 1);
}

TEST(Schedules, OnPlateauKeepsItsState) {
    const json file = reference();
    const char* config = R"({"type": "ReduceLROnPlateau", "patience": 2, "cooldown": 2})";
    const auto straight = make<LrScheduler>(config);
    auto resumed = make<LrScheduler>(config);
    // Before the first value too, when the best is infinite.
    for (const json& value : file["observed"]) {
        const State state = resumed->save_state();
        resumed = make<LrScheduler>(config);
        resumed->load_state(state);
        straight->observe(observed(value));
        resumed->observe(observed(value));
        EXPECT_EQ(resumed->lr(1, 0), straight->lr(1, 0));
    }
    EXPECT_LT(straight->lr(1, 0), 1);
    EXPECT_EQ(error_of([&] { resumed->load_state({}); }),
              "the saved state of ReduceLROnPlateau has no number \"best\"");
}

TEST(Schedules, RefuseWhatDoesNotFitTheRun) {
    const std::vector<std::pair<const char*, const char*>> table = {
        {R"({"type": "OneCycleLR", "total_steps": 5})",
         "test: OneCycleLR is over after total_steps 5, and the run goes on to 10. Leave "
         "total_steps "
         "out: then the cycle is as long as the run"},
        {R"({"type": "WarmupAndCosineAnnealingLR", "warmup_steps": 10})",
         "test: WarmupAndCosineAnnealingLR: warmup_steps must be below total_steps, which is 10; "
         "got 10"},
        {R"({"type": "ChainedScheduler", "schedulers": [{"type": "StepLR", "step_size": 1},
             {"type": "CosineAnnealingLR", "eta_min": 0.1}]})",
         "test: CosineAnnealingLR as it is set here does not multiply the learning rate, so "
         "ChainedScheduler cannot chain it. Use SequentialLR, or eta_min: 0"},
    };
    for (const auto& [config, error] : table) {
        const auto schedule = make<LrScheduler>(config);
        EXPECT_EQ(error_of([&] { schedule->set_length({10}); }), error);
    }
}

TEST(Schedules, CheckTheirOptions) {
    const std::vector<std::pair<const char*, const char*>> table = {
        {R"({"type": "StepLR"})", "needs the option \"step_size\""},
        {R"({"type": "StepLR", "step_size": 0})", "between 1 and"},
        {R"({"type": "StepLR", "step_size": 1, "gamma": -1})", "at least 0"},
        {R"({"type": "MultiStepLR"})", "needs the option \"milestones\""},
        {R"({"type": "MultiStepLR", "milestones": 3})", "list of integer"},
        {R"({"type": "MultiStepLR", "milestones": [3, -1]})", "between 0 and"},
        {R"({"type": "ExponentialLR"})", "needs the option \"gamma\""},
        {R"({"type": "ExponentialLR", "gamma": -0.5})", "at least 0"},
        {R"({"type": "PolynomialLR", "total_iters": 0})", "between 1 and"},
        {R"({"type": "PolynomialLR", "power": -1})", "at least 0"},
        {R"({"type": "LinearLR", "start_factor": 0})", "above 0"},
        {R"({"type": "LinearLR", "start_factor": 1.5})", "at most 1"},
        {R"({"type": "LinearLR", "end_factor": -0.1})", "between 0 and 1"},
        {R"({"type": "LinearLR", "total_iters": 0})", "between 1 and"},
        {R"({"type": "ConstantLR", "factor": 1.1})", "between 0 and 1"},
        {R"({"type": "ConstantLR", "total_iters": 0})", "between 1 and"},
        {R"({"type": "CosineAnnealingLR", "T_max": 0})", "between 1 and"},
        {R"({"type": "CosineAnnealingLR", "t_max": 5})", "did you mean \"T_max\"?"},
        {R"({"type": "CosineAnnealingWarmRestarts"})", "needs the option \"T_0\""},
        {R"({"type": "CosineAnnealingWarmRestarts", "T_0": 0})", "between 1 and"},
        {R"({"type": "CosineAnnealingWarmRestarts", "T_0": 5, "T_mult": 0})", "between 1 and"},
        {R"({"type": "CosineAnnealingWarmRestarts", "T_0": 5, "T_mult": 1.5})", "integer"},
        {R"({"type": "WarmupAndCosineAnnealingLR"})", "needs the option \"warmup_steps\""},
        {R"({"type": "WarmupAndCosineAnnealingLR", "warmup_steps": 5, "total_steps": 5})",
         "warmup_steps must be below total_steps, which is 5; got 5"},
        {R"({"type": "OneCycleLR", "total_steps": 0})", "between 1 and"},
        {R"({"type": "OneCycleLR", "pct_start": 1.5})", "between 0 and 1"},
        {R"({"type": "OneCycleLR", "anneal_strategy": "cosine"})", "one of cos, linear"},
        {R"({"type": "OneCycleLR", "max_momentum": 1})", "below 1"},
        {R"({"type": "OneCycleLR", "div_factor": 0})", "at least 1"},
        {R"({"type": "OneCycleLR", "final_div_factor": 0})", "above 0"},
        {R"({"type": "CyclicLR"})", "needs the option \"max_lr\""},
        {R"({"type": "CyclicLR", "max_lr": 1, "step_size_up": 0})", "between 1 and"},
        {R"({"type": "CyclicLR", "max_lr": 1, "mode": "sine"})",
         "one of triangular, triangular2, exp_range"},
        {R"({"type": "ReduceLROnPlateau", "mode": "less"})", "one of min, max"},
        {R"({"type": "ReduceLROnPlateau", "factor": 1})", "below 1"},
        {R"({"type": "ReduceLROnPlateau", "patience": -1})", "between 0 and"},
        {R"({"type": "ReduceLROnPlateau", "threshold_mode": "relative"})", "one of rel, abs"},
        {R"({"type": "SequentialLR", "milestones": []})", "needs the option \"schedulers\""},
        {R"({"type": "SequentialLR", "milestones": [], "schedulers": []})", "schedulers is empty"},
        {R"({"type": "SequentialLR", "milestones": [1, 2], "schedulers": [
            {"type": "LinearLR"}, {"type": "ConstantLR"}]})",
         "2 schedulers take 1 milestones, got 2"},
        {R"({"type": "SequentialLR", "milestones": [5, 5], "schedulers": [
            {"type": "LinearLR"}, {"type": "ConstantLR"}, {"type": "ConstantLR"}]})",
         "milestones must go up"},
        {R"({"type": "SequentialLR", "milestones": [5], "schedulers": [
            {"type": "LinearLR"}, {"type": "ReduceLROnPlateau"}]})",
         "test: ReduceLROnPlateau follows a metric and cannot be a part of another schedule"},
        {R"({"type": "SequentialLR", "milestones": [], "schedulers": [
            {"type": "LinearLR", "total_iters": 0}]})",
         "between 1 and"},
        {R"({"type": "ChainedScheduler", "schedulers": []})", "schedulers is empty"},
        {R"({"type": "ChainedScheduler", "schedulers": [{"type": "ReduceLROnPlateau"}]})",
         "follows a metric"},
    };
    for (const auto& [config, part] : table) {
        EXPECT_THROW(make<LrScheduler>(config), ConfigError) << config;
        const std::string error = error_of([&, json = config] { make<LrScheduler>(json); });
        EXPECT_TRUE(contains(error, part)) << error;
    }
}

}  // namespace
}  // namespace ailab
