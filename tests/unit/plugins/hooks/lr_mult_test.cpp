// The multiplier of a parameter group holds for every rate of a schedule, its own ones too.
#include "plugins/fake_run.hpp"

namespace ailab {
namespace {

using test::FakeRun;
using test::HookTest;
using test::make;
using test::run_ranks;
using test::ThreadComm;

constexpr double learning_rate = 0.1;

/// A group for each multiplier, as the core makes them.
struct Multiplied final : Optimizer {
    explicit Multiplied(const std::vector<double>& multipliers) {
        for (const double mult : multipliers)
            add_group(
                {.lr = learning_rate * mult, .initial_lr = learning_rate * mult, .lr_mult = mult});
    }
    double default_lr() const override { return learning_rate; }
    void step(const Tensor&, const Tensor&) override {}
};

class LrMultTest : public HookTest {};

TEST_F(LrMultTest, HoldsForAllRatesOfASchedule) {
    const std::vector<double> multipliers = {1, 0, 0.01, 2};
    constexpr int64_t steps = 8;
    for (const std::string schedule :
         {R"({"type": "StepLR", "step_size": 2})",
          R"({"type": "OneCycleLR", "cycle_momentum": false})",
          R"({"type": "OneCycleLR", "max_lr": 0.5, "cycle_momentum": false})",
          R"({"type": "CyclicLR", "max_lr": 0.5, "step_size_up": 3, "cycle_momentum": false})",
          R"({"type": "CyclicLR", "base_lr": 0.01, "max_lr": 0.5, "step_size_up": 3,
              "cycle_momentum": false})",
          R"({"type": "CosineAnnealingLR", "eta_min": 0.05})",
          R"({"type": "CosineAnnealingWarmRestarts", "T_0": 4, "eta_min": 0.05})",
          R"({"type": "WarmupAndCosineAnnealingLR", "warmup_steps": 2, "eta_min": 0.05})",
          R"({"type": "SequentialLR", "milestones": [3], "schedulers": [{"type": "LinearLR"},
              {"type": "CosineAnnealingLR", "T_max": 5, "eta_min": 0.05}]})"}) {
        for (const std::string warm_up :
             {"", R"(, "warmup": "linear", "warmup_iters": 2, "warmup_ratio": 0.1)"}) {
            const auto errors = run_ranks(1, [&](ThreadComm& comm) {
                const auto hook =
                    make<Hook>(concat(R"({"type": "LrSchedulerHook", "by": "iter", "scheduler": )",
                                      schedule, warm_up, "}"));
                FakeRun run(comm, folder_);
                const auto optimizer = std::make_shared<Multiplied>(multipliers);
                const auto alone = std::make_shared<Multiplied>(std::vector<double>{2});
                run.optimizers() = {{"", optimizer}, {"alone", alone}};
                run.now.total_epochs = 1;
                run.now.total_steps = run.now.iters = steps;
                hook->before_run(run);
                hook->before_train_epoch(run);
                for (; run.now.step < steps; ++run.now.step, ++run.now.iter) {
                    hook->before_train_iter(run);
                    const auto& groups = optimizer->groups();
                    for (size_t g = 0; g < groups.size(); ++g)
                        EXPECT_NEAR(groups[g].lr, multipliers[g] * groups[0].lr, 1e-15)
                            << schedule << warm_up << " at " << run.now.step;
                    // What logs call the learning rate has no multiplier.
                    EXPECT_NEAR(alone->scheduled_lr(), groups[0].lr, 1e-15) << schedule;
                }
            });
            EXPECT_EQ(errors[0], "") << schedule;
        }
    }
}

}  // namespace
}  // namespace ailab
