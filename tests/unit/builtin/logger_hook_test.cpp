// LoggerHook: MMEngine's lines, the JSON lines, the summary.
#include <nlohmann/json.hpp>

#include "fake_run.hpp"

namespace ailab {
namespace {

using nlohmann::json;
using test::FakeRun;
using test::HookTest;
using test::make;
using test::run_ranks;
using test::ThreadComm;

/// An optimizer that has nothing but a learning rate.
struct FakeOptimizer final : Optimizer {
    explicit FakeOptimizer(double lr) { add_group({.lr = lr, .initial_lr = lr}); }
    double default_lr() const override { return 0; }
    void step(const Tensor&, const Tensor&) override {}
};

class LoggerHookTest : public HookTest {
  protected:
    /// Two epochs of 5 iterations, each followed by validation.
    void run_through(Hook& hook, FakeRun& run, int64_t stop_after = -1) {
        run.now.total_epochs = 2;
        run.now.total_steps = 10;
        hook.before_run(run);
        for (run.now.epoch = 0; run.now.epoch < 2; ++run.now.epoch) {
            run.now.phase = Phase::train;
            run.now.iters = 5;
            run.published.clear();
            hook.before_train_epoch(run);
            for (run.now.iter = 0; run.now.iter < 5; ++run.now.iter) {
                ++run.now.step;
                hook.after_train_iter(run);
                if (run.now.step == stop_after) return;
            }
            --run.now.iter;
            hook.after_train_epoch(run);
            run.now.phase = Phase::val;
            run.now.iter = 78;
            run.now.iters = 79;
            run.publish("loss", 0.25);
            run.publish("top1", 87.125);
            hook.before_val_epoch(run);
            hook.after_val_epoch(run);
            run.now.phase = Phase::train;
        }
        --run.now.epoch;
        hook.after_run(run);
    }
    std::vector<json> metrics() const {
        std::vector<json> result;
        for (const std::string& line : lines("metrics.jsonl")) result.push_back(json::parse(line));
        return result;
    }
    /// train.log without the times of its lines.
    std::vector<std::string> log_lines() const {
        std::vector<std::string> result;
        for (const std::string& line : lines("train.log"))
            result.push_back(line.substr(std::min<size_t>(line.size(), 24)));
        return result;
    }
};

TEST_F(LoggerHookTest, WritesMMEnginesLines) {
    const auto hook = make<Hook>(R"({"type": "LoggerHook", "interval": 2})");
    const auto errors = run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.optimizers()[""] = std::make_shared<FakeOptimizer>(0.001);
        run.window->values = {{"loss", 0.5465}};
        run_through(*hook, run);
        EXPECT_EQ(run.window->reductions, 6);
    });
    EXPECT_EQ(errors[0], "");
    const std::vector<std::string> log = log_lines();
    ASSERT_EQ(log.size(), 8u);
    EXPECT_EQ(log[0],
              "- ailab - INFO - Epoch(train) [1][2/5]  lr: 1.0000e-03  eta: 0:00:00  time: 0.0141  "
              "data_time: 0.0007  memory: 392  loss: 0.5465");
    EXPECT_EQ(log[2].substr(0, 39), "- ailab - INFO - Epoch(train) [1][5/5] ");
    EXPECT_EQ(log[3].substr(0, 79),
              "- ailab - INFO - Epoch(val) [1][79/79]  loss: 0.2500  top1: 87.1250  time: 0.00");
    EXPECT_EQ(log[4].substr(0, 39), "- ailab - INFO - Epoch(train) [2][2/5] ");
}

TEST_F(LoggerHookTest, WritesJsonLinesWithAllDigits) {
    const auto hook = make<Hook>(R"({"type": "LoggerHook", "interval": 5})");
    run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.optimizers()[""] = std::make_shared<FakeOptimizer>(0.1);
        run.window->values = {{"loss", 1.0 / 3}};
        run_through(*hook, run);
    });
    const std::vector<json> all = metrics();
    ASSERT_EQ(all.size(), 5u);
    EXPECT_EQ(all[0], json::parse(R"({"mode": "train", "epoch": 1, "iter": 5, "step": 5, "lr": 0.1,
        "time": 0.0141, "data_time": 0.0007, "memory": 392, "loss": 0.3333333333333333})"));
    EXPECT_EQ(all[1]["mode"], "val");
    EXPECT_EQ(all[1]["epoch"], 1);
    EXPECT_EQ(all[1]["iter"], 79);
    EXPECT_EQ(all[1]["step"], 5);
    EXPECT_EQ(all[1]["top1"], 87.125);
    EXPECT_EQ(all[2]["step"], 10);
    EXPECT_EQ(all[4], json::parse(R"({"mode": "summary", "epoch": 2, "step": 10,
        "samples_per_second": 500.0, "time_to_first_step": 0.5, "peak_memory": 392.0,
        "exit": "done"})"));
}

TEST_F(LoggerHookTest, NamesTheLearningRatesOfSeveralOptimizers) {
    const auto hook = make<Hook>(R"({"type": "LoggerHook"})");
    run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.optimizers()["generator"] = std::make_shared<FakeOptimizer>(0.1);
        run.optimizers()["critic"] = std::make_shared<FakeOptimizer>(0.2);
        run_through(*hook, run);
    });
    EXPECT_EQ(metrics().at(0)["generator_lr"], 0.1);
    EXPECT_EQ(metrics().at(0)["critic_lr"], 0.2);
    EXPECT_FALSE(metrics().at(0).contains("lr"));
}

TEST_F(LoggerHookTest, WarnsOnceOfALossThatIsNoNumber) {
    const auto hook = make<Hook>(R"({"type": "LoggerHook", "interval": 2})");
    run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.window->values = {{"loss", std::nan("")}};
        run_through(*hook, run);
    });
    int warnings = 0;
    for (const std::string& line : log_lines())
        warnings += line ==
                    "- ailab - WARNING - loss is nan by step 2: the training has diverged. "
                    "Look at the data, or lower the learning rate";
    EXPECT_EQ(warnings, 1);
}

TEST_F(LoggerHookTest, CountsIterationsWhereTheRunDoes) {
    const auto hook = make<Hook>(R"({"type": "LoggerHook", "interval": 3})");
    run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.now.total_steps = 100;
        run.now.iters = 50;
        hook->before_run(run);
        hook->before_train_epoch(run);
        for (; run.now.iter < 3; ++run.now.iter) {
            run.now.step = 50 + run.now.iter + 1;
            hook->after_train_iter(run);
        }
        hook->after_run(run);
    });
    EXPECT_EQ(log_lines().at(0).substr(0, 44), "- ailab - INFO - Iter(train) [ 53/100]  eta:");
}

TEST_F(LoggerHookTest, WritesOnRankZeroAndReducesOnAll) {
    std::vector<std::shared_ptr<Hook>> hooks;
    for (int r = 0; r < 2; ++r) hooks.push_back(make<Hook>(R"({"type": "LoggerHook"})"));
    run_ranks(2, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run_through(*hooks[size_t(comm.rank())], run);
        EXPECT_EQ(run.window->reductions, 2);
    });
    EXPECT_EQ(metrics().size(), 5u);
}

TEST_F(LoggerHookTest, TellsHowARunEnded) {
    const std::vector<std::pair<std::string, std::string>> table = {
        {"", "done"}, {"loss is \"NaN\"\n", "stopped: loss is \"NaN\"\n"}};
    for (const auto& entry : table) {
        const std::string& reason = entry.first;
        const auto hook = make<Hook>(R"({"type": "LoggerHook"})");
        run_ranks(1, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            if (!reason.empty()) run.stop(reason);
            run_through(*hook, run);
        });
        EXPECT_EQ(metrics().back()["exit"], entry.second);
    }
    const auto hook = make<Hook>(R"({"type": "LoggerHook"})");
    run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run_through(*hook, run, /*stop_after=*/3);
        hook->on_exception(run, "out of memory");
    });
    EXPECT_EQ(metrics().back()["mode"], "summary");
    EXPECT_EQ(metrics().back()["step"], 3);
    EXPECT_EQ(metrics().back()["exit"], "failed: out of memory");
}

TEST_F(LoggerHookTest, WritesNumbersThatJsonHasNotAsNull) {
    const auto hook = make<Hook>(R"({"type": "LoggerHook"})");
    run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.window->values = {{"loss", std::nan("")}};
        run_through(*hook, run);
    });
    EXPECT_TRUE(metrics().at(0)["loss"].is_null());
    EXPECT_NE(log_lines().at(0).find("loss: nan"), std::string::npos);
}

TEST_F(LoggerHookTest, MovesItsFilesToLogDir) {
    const std::string logs = folder_ / "a" / "logs";
    const auto hook = make<Hook>(R"({"type": "LoggerHook", "log_dir": ")" + logs + "\"}");
    run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run_through(*hook, run);
    });
    EXPECT_TRUE(std::filesystem::exists(logs + "/train.log"));
    EXPECT_TRUE(std::filesystem::exists(logs + "/metrics.jsonl"));
    EXPECT_FALSE(std::filesystem::exists(folder_ / "train.log"));
}

TEST_F(LoggerHookTest, SaysWhichFileCannotBeWritten) {
    const auto blocked = make<Hook>(R"({"type": "LoggerHook", "log_dir": "/proc/none"})");
    const auto full =
        make<Hook>(R"({"type": "LoggerHook", "log_dir": ")" + folder_.string() + "\"}");
    std::filesystem::create_directories(folder_);
    std::filesystem::create_symlink("/dev/full", folder_ / "metrics.jsonl");
    EXPECT_EQ(run_ranks(1,
                        [&](ThreadComm& comm) {
                            FakeRun run(comm, folder_);
                            blocked->before_run(run);
                        })[0],
              "cannot create the folder /proc/none: No such file or directory");
    EXPECT_EQ(run_ranks(1,
                        [&](ThreadComm& comm) {
                            FakeRun run(comm, folder_);
                            run_through(*full, run);
                        })[0],
              "cannot write " + (folder_ / "metrics.jsonl").string() + ": No space left on device");
}

}  // namespace
}  // namespace ailab
