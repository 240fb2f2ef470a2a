// CheckpointHook, SampleTraceHook, DDPHook, priorities.
#include "plugins/fake_run.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;
using test::FakeRun;
using test::HookTest;
using test::make;
using test::run_ranks;
using test::ThreadComm;
using Names = std::vector<std::string>;

/// Trains `epochs` epochs of `iters` iterations; stops in the middle of one if `stop_at` says so.
void train(Hook& hook, FakeRun& run, int64_t epochs, int64_t iters, int64_t stop_at = -1) {
    run.now.total_steps = run.now.total_epochs > 0 ? epochs * iters : run.now.total_steps;
    run.now.total_train_iters = run.now.total_steps;
    hook.before_run(run);
    for (run.now.epoch = 0; run.now.epoch < epochs && run.stop_reason().empty(); ++run.now.epoch) {
        run.now.iters = iters;
        hook.before_train_epoch(run);
        for (run.now.iter = 0; run.now.iter < iters && run.stop_reason().empty(); ++run.now.iter) {
            hook.before_train_iter(run);
            ++run.now.step;
            run.now.train_iter = run.now.step;
            run.now.stepped = true;
            if (run.now.step == stop_at) run.stop("enough");
            hook.after_train_iter(run);
        }
        --run.now.iter;
        hook.after_train_epoch(run);
    }
    --run.now.epoch;
    hook.after_run(run);
}

class CheckpointHookTest : public HookTest {
  protected:
    struct Length {
        int64_t epochs = 5;
        int64_t iters = 4;
        bool by_iter = false;
        int64_t stop_at = -1;
    };
    Names saved(const std::string& options, const Length& length) {
        const auto hook = make<Hook>(R"({"type": "CheckpointHook")" + options + "}");
        Names names;
        const auto errors = run_ranks(1, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            (length.by_iter ? run.now.total_steps : run.now.total_epochs) =
                length.by_iter ? length.epochs * length.iters : length.epochs;
            train(*hook, run, length.epochs, length.iters, length.stop_at);
            for (const std::string& path : run.saved) names.push_back(fs::relative(path, folder_));
        });
        EXPECT_EQ(errors[0], "");
        return names;
    }
    Names present() const {
        Names names;
        for (const auto& entry : fs::directory_iterator(folder_ / "checkpoints"))
            names.push_back(entry.path().filename());
        std::sort(names.begin(), names.end());
        return names;
    }
};

TEST_F(CheckpointHookTest, SavesAtItsInterval) {
    auto at = [](Names names) {
        for (std::string& name : names) name.insert(0, "checkpoints/");
        return names;
    };
    struct Case {
        std::string options;
        Length length;
        Names expected;
    };
    const std::vector<Case> table = {
        {"", {}, {"epoch_1", "epoch_2", "epoch_3", "epoch_4", "epoch_5"}},
        {R"(, "interval": 2)", {}, {"epoch_2", "epoch_4", "epoch_5"}},
        {R"(, "interval": 2, "save_last": false)", {}, {"epoch_2", "epoch_4"}},
        {R"(, "interval": 10)", {}, {"epoch_5"}},
        {R"(, "interval": 7, "by": "iter")", {}, {"iter_7", "iter_14", "iter_20"}},
        {R"(, "interval": 10, "by": "iter")", {}, {"iter_10", "iter_20"}},
        {R"(, "interval": 7, "by": "iter")", {.by_iter = true}, {"iter_7", "iter_14", "iter_20"}},
        {R"(, "interval": 2)", {.stop_at = 10}, {"epoch_2", "iter_10"}},
        {R"(, "interval": 2)", {.stop_at = 12}, {"epoch_2", "epoch_3"}},
        {R"(, "interval": 2, "save_last": false)", {.stop_at = 14}, {"epoch_2"}},
    };
    for (const Case& c : table) {
        fs::remove_all(folder_);
        EXPECT_EQ(saved(c.options, c.length), at(c.expected)) << c.options;
    }
}

TEST_F(CheckpointHookTest, KeepsTheNewest) {
    saved(R"(, "keep_last": 2)", {.epochs = 12});
    EXPECT_EQ(present(), (Names{"epoch_11", "epoch_12"}));
    EXPECT_THROW(make<Hook>(R"({"type": "CheckpointHook", "keep_last": 1})"), ConfigError);
}

TEST_F(CheckpointHookTest, MovesToSaveDirUnlessAnotherRunHasIt) {
    const std::string option = R"(, "save_dir": ")" + (folder_ / "mine").string() + "\"";
    EXPECT_EQ(saved(option, {.epochs = 2}), (Names{"mine/epoch_1", "mine/epoch_2"}));
    std::vector<std::shared_ptr<Hook>> hooks;
    for (int r = 0; r < 2; ++r)
        hooks.push_back(make<Hook>(R"({"type": "CheckpointHook")" + option + "}"));
    const auto errors = run_ranks(2, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        hooks[size_t(comm.rank())]->before_run(run);
    });
    EXPECT_EQ(errors[0], "test: save_dir " + (folder_ / "mine").string() +
                             " holds checkpoints of another run already (epoch_2). Choose another "
                             "folder, or leave save_dir out: then each run keeps its own in its "
                             "folder");
    EXPECT_EQ(errors[1], errors[0]);
}

class SampleTraceHookTest : public HookTest {};

TEST_F(SampleTraceHookTest, WritesWhatEachRankSaw) {
    std::vector<std::shared_ptr<Hook>> hooks;
    for (int r = 0; r < 2; ++r) hooks.push_back(make<Hook>(R"({"type": "SampleTraceHook"})"));
    run_ranks(2, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        Hook& hook = *hooks[size_t(comm.rank())];
        hook.before_run(run);
        run.now.step = 7;
        run.now.epoch = 1;
        run.batch().ids = {3, comm.rank()};
        hook.before_train_iter(run);
        ++run.now.step;
        run.batch().ids = {};  // a rank without samples in the last batch
        hook.before_train_iter(run);
        EXPECT_TRUE(lines("samples.rank" + std::to_string(comm.rank()) + ".jsonl").empty())
            << "lines are collected";
        comm.rank() == 0 ? hook.after_train_epoch(run) : hook.on_exception(run, "a failure");
    });
    for (int rank = 0; rank < 2; ++rank)
        EXPECT_EQ(lines("samples.rank" + std::to_string(rank) + ".jsonl"),
                  (Names{R"({"step": 7, "epoch": 1, "ids": [3, )" + std::to_string(rank) + "]}",
                         R"({"step": 8, "epoch": 1, "ids": []})"}));
}

TEST(HookPriorities, AreMMEngines) {
    const std::vector<std::pair<const char*, int>> table = {
        {R"({"type": "SampleTraceHook"})", priority::very_high},
        {R"({"type": "LrSchedulerHook", "scheduler": {"type": "CosineAnnealingLR"}})",
         priority::high},
        {R"({"type": "MetricHook"})", priority::above_normal},
        {R"({"type": "NanGuardHook"})", priority::normal},
        {R"({"type": "EarlyStopHook", "monitor": "loss"})", priority::low},
        {R"({"type": "EMAHook"})", priority::low},
        {R"({"type": "LoggerHook"})", priority::below_normal},
        {R"({"type": "CheckpointHook"})", priority::very_low},
        {R"({"type": "DDPHook"})", priority::normal},
    };
    for (const auto& [json, expected] : table)
        EXPECT_EQ(make<Hook>(json)->default_priority(), expected) << json;
}

TEST(DDPHook, KeepsItsSettingsInTheConfiguration) {
    EXPECT_EQ(test::spec<Hook>(R"({"type": "DDPHook", "bucket_mb": 5})")
                  .config.write()
                  .find("bucket_mb")
                  ->as_float(),
              5);
    EXPECT_TRUE(
        test::spec<Hook>(R"({"type": "DDPHook"})").config.write().find("bucket_mb")->is_null());
    EXPECT_THROW(make<Hook>(R"({"type": "DDPHook", "bucket_mb": 0})"), ConfigError);
}

TEST(DDPHook, SizesTheBucketsOfTheStep) {
    StepPlan plan{.bucket_mb = 25};
    make<Hook>(R"({"type": "DDPHook"})")->plan_step(plan);
    EXPECT_EQ(plan.bucket_mb, 25);
    make<Hook>(R"({"type": "DDPHook", "bucket_mb": 5})")->plan_step(plan);
    EXPECT_EQ(plan.bucket_mb, 5);
}

}  // namespace
}  // namespace ailab
