// LoggerHook: MMEngine's lines, the JSON lines, the summary.
#include <nlohmann/json.hpp>

#include "plugins/fake_run.hpp"

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
    explicit FakeOptimizer(double lr) {
        add_group({.lr = lr, .initial_lr = lr, .weight_decay = 0.01, .momentum = 0.9});
        add_group({.lr = lr / 10, .initial_lr = lr / 10});
    }
    double default_lr() const override { return 0; }
    void step(const Tensor&, const Tensor&) override {}
};

class LoggerHookTest : public HookTest {
  protected:
    /// Two epochs of 5 iterations, each followed by validation. The loss of a step is
    /// loss_of(step). A run that goes on begins after `begin` steps. `after` is called after each
    /// step; when it returns false the process is gone.
    void run_through(Hook& hook, FakeRun& run, int64_t begin = 0,
                     const std::function<bool(int64_t step)>& after = {}) {
        run.now.total_epochs = 2;
        run.now.total_steps = run.now.total_train_iters = 10;
        run.now.step = run.now.train_iter = begin;
        run.batch().global_size = 4;
        hook.before_run(run);
        for (run.now.epoch = begin / 5; run.now.epoch < 2; ++run.now.epoch) {
            run.now.phase = Phase::train;
            run.now.iters = 5;
            run.published.clear();
            hook.before_train_epoch(run);
            for (run.now.iter = run.now.step % 5; run.now.iter < 5; ++run.now.iter) {
                run.now.train_iter = ++run.now.step;
                run.now.samples = (run.now.iter + 1) * 4;
                record_loss(run);
                hook.after_train_iter(run);
                if (after && !after(run.now.step)) return;
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
    /// The window has the mean since it was last emptied.
    void record_loss(FakeRun& run) {
        if (!loss_of) return;
        if (std::exchange(reductions_, run.window->reductions) != run.window->reductions)
            loss_sum_ = losses_ = 0;
        loss_sum_ += loss_of(run.now.step);
        run.window->values = {{"loss", loss_sum_ / ++losses_}};
    }
    std::function<double(int64_t)> loss_of;
    double loss_sum_ = 0, losses_ = 0;
    int reductions_ = 0;

    static void check(Hook& hook, const std::vector<std::string>& results = {"loss"}) {
        RunPlan plan{.phases = {Phase::train, Phase::val},
                     .fields = {{Phase::train, {"input", "target", "output"}}},
                     .results = {{Phase::val, results}}};
        Problems problems;
        hook.check(plan, problems);
        problems.check();
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
              "- ailab - INFO - Epoch(train) [1][2/5]  lr: 1.0000e-03  eta: 0:00:00  time: 0.0156  "
              "data_time: 0.0010  memory: 392  loss: 0.5465");
    EXPECT_EQ(log[2].substr(0, 39), "- ailab - INFO - Epoch(train) [1][5/5] ");
    EXPECT_EQ(log[3].substr(0, 79),
              "- ailab - INFO - Epoch(val) [1][79/79]  loss: 0.2500  top1: 87.1250  time: 0.00");
    EXPECT_EQ(log[4].substr(0, 39), "- ailab - INFO - Epoch(train) [2][2/5] ");
}

TEST_F(LoggerHookTest, WhatTheLoaderSpentIsInTheJsonLinesAlone) {
    const auto hook = make<Hook>(R"({"type": "LoggerHook", "interval": 5})");
    run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.loading = {.read = 0.25, .decode = 0.5};
        run_through(*hook, run);
    });
    const json line = metrics().at(0);
    EXPECT_EQ(line["read_time"], 0.25);
    EXPECT_EQ(line["decode_time"], 0.5);
    EXPECT_FALSE(line.contains("transform_time"));
    EXPECT_EQ(log_lines().at(0).find("read_time"), std::string::npos);
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
        "time": 0.015625, "data_time": 0.0009765625, "memory": 392, "loss": 0.3333333333333333})"));
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

// A step that has no number is followed by others; a later one is told again.
TEST_F(LoggerHookTest, WarnsAgainOfALaterDivergence) {
    const auto hook = make<Hook>(R"({"type": "LoggerHook", "interval": 1})");
    run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        loss_of = [](int64_t step) { return step == 2 || step >= 7 ? std::nan("") : 1.0; };
        run_through(*hook, run);
    });
    std::vector<std::string> warnings;
    for (const std::string& line : log_lines())
        if (line.find("WARNING") != std::string::npos) warnings.push_back(line.substr(0, 41));
    EXPECT_EQ(warnings, (std::vector<std::string>{"- ailab - WARNING - loss is nan by step 2",
                                                  "- ailab - WARNING - loss is nan by step 7"}));
}

// NanGuardHook has said so: the training goes on, and a divergence is told when it comes.
TEST_F(LoggerHookTest, DoesNotTakeAStepThatWasLeftOutForADivergence) {
    struct GuardedRun final : FakeRun {
        using FakeRun::FakeRun;
        const std::vector<std::shared_ptr<Hook>>& hooks() const override { return guards; }
        std::vector<std::shared_ptr<Hook>> guards = {
            make<Hook>(R"({"type": "NanGuardHook", "action": "skip"})")};
    };
    const auto hook = make<Hook>(R"({"type": "LoggerHook", "interval": 1, "smoothing": 3})");
    run_ranks(1, [&](ThreadComm& comm) {
        GuardedRun run(comm, folder_);
        run.now.stepped = true;
        loss_of = [&run](int64_t step) {
            run.norm = step == 2 ? std::nan("") : 1;
            run.guards[0]->before_step(run);
            return step == 2 || step >= 7 ? std::nan("") : 1.0;
        };
        run_through(*hook, run);
    });
    std::vector<std::string> warnings;
    for (const std::string& line : log_lines())
        if (line.find("diverged") != std::string::npos) warnings.push_back(line.substr(0, 41));
    EXPECT_EQ(warnings, (std::vector<std::string>{"- ailab - WARNING - loss is nan by step 7"}));
    EXPECT_FALSE(metrics().at(1)["loss"].is_null());
    EXPECT_EQ(metrics().at(2)["loss"], 1.0);
}

// Float16 steps that overflow are left out until the loss's scale is small enough.
TEST_F(LoggerHookTest, WarnsOfFloat16StepsThatAreLeftOutAtAnyScale) {
    struct Case {
        double share;  // of the steps that are left out
        int64_t iters;
        int warnings;
    };
    for (const Case& c : {Case{1, 100, 1}, Case{1, 30, 0}, Case{0.9, 100, 0}}) {
        const auto hook = make<Hook>(R"({"type": "LoggerHook", "interval": 5})");
        const std::string folder = concat(folder_.string(), c.share, c.iters);
        run_ranks(1, [&](ThreadComm& comm) {
            FakeRun run(comm, folder);
            run.window->values = {{"loss", 1}, {"overflow", c.share}};
            run.now.iters = c.iters;
            hook->before_run(run);
            hook->before_train_epoch(run);
            for (; run.now.iter < c.iters; ++run.now.iter) {
                ++run.now.step;
                hook->after_train_iter(run);
            }
            hook->after_run(run);
        });
        std::ifstream file(folder + "/train.log");
        int warnings = 0;
        for (std::string line; std::getline(file, line);)
            warnings += line.find(
                            "WARNING - the last 40 float16 steps up to step 40 were left "
                            "out") != std::string::npos;
        EXPECT_EQ(warnings, c.warnings) << c.share << ' ' << c.iters;
        log_to_file("");
        std::filesystem::remove_all(folder);
    }
}

TEST_F(LoggerHookTest, LogsTheScheduledRateWithoutMultiples) {
    const auto hook = make<Hook>(R"({"type": "LoggerHook"})");
    run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        const auto optimizer = std::make_shared<FakeOptimizer>(0.1);
        optimizer->groups()[0].lr_mult = 10;
        run.optimizers()[""] = optimizer;
        run_through(*hook, run);
    });
    EXPECT_EQ(metrics().at(0)["lr"], 0.01);
}

TEST_F(LoggerHookTest, CountsIterationsWhereTheRunDoes) {
    const auto hook = make<Hook>(R"({"type": "LoggerHook", "interval": 3})");
    run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.now.total_train_iters = 100;
        run.now.iters = 50;
        hook->before_run(run);
        hook->before_train_epoch(run);
        for (; run.now.iter < 3; ++run.now.iter) {
            run.now.train_iter = 50 + run.now.iter + 1;
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
        run_through(*hook, run, 0, [](int64_t step) { return step < 3; });
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
        const test::NoSamples samples;
        run.training = &samples;
        run_through(*hook, run);
    });
    const std::filesystem::path own = std::filesystem::path(logs) / folder_.filename();
    for (const char* name : {"train.log", "metrics.jsonl"}) {
        EXPECT_TRUE(std::filesystem::is_regular_file(std::filesystem::symlink_status(own / name)));
        EXPECT_TRUE(std::filesystem::equivalent(logs + "/" + name, own / name));
        EXPECT_TRUE(std::filesystem::equivalent(folder_ / name, own / name));
    }
}

TEST_F(LoggerHookTest, SaysWhichFileCannotBeOpened) {
    const auto blocked = make<Hook>(R"({"type": "LoggerHook", "log_dir": "/proc/none"})");
    EXPECT_EQ(run_ranks(1,
                        [&](ThreadComm& comm) {
                            FakeRun run(comm, folder_);
                            blocked->before_run(run);
                        })[0],
              "test: log_dir: cannot create the folder /proc/none: No such file or directory. "
              "Name another, or leave log_dir out for the usual one");
}

TEST_F(LoggerHookTest, GoesOnWhenTheDiskIsFull) {
    std::filesystem::create_directories(folder_);
    std::filesystem::create_symlink("/dev/full", folder_ / "metrics.jsonl");
    const auto hook = make<Hook>(R"({"type": "LoggerHook", "interval": 1})");
    EXPECT_EQ(run_ranks(1,
                        [&](ThreadComm& comm) {
                            FakeRun run(comm, folder_);
                            run_through(*hook, run);
                        })[0],
              "");
    int warnings = 0, lines = 0;
    for (const std::string& line : log_lines()) {
        lines += test::contains(line, "Epoch(");
        warnings += line == "- ailab - WARNING - cannot write " +
                                (folder_ / "metrics.jsonl").string() +
                                ": No space left on device; the training goes on without the "
                                "lines that are lost";
    }
    EXPECT_EQ(warnings, 1);
    EXPECT_EQ(lines, 12);
}

TEST_F(LoggerHookTest, DeclaresItsFiles) {
    using Paths = std::vector<std::string>;
    EXPECT_EQ(make<Hook>(R"({"type": "LoggerHook"})")->output_paths(),
              (Paths{"metrics.jsonl", "train.log"}));
    EXPECT_EQ(make<Hook>(R"({"type": "LoggerHook", "log_dir": "logs"})")->output_paths(),
              (Paths{"logs/metrics.jsonl", "logs/train.log"}));
}

// ---- means

TEST_F(LoggerHookTest, MeansAreOverTheIntervalOrOverTheLastIterations) {
    struct Row {
        std::string options;
        std::vector<double> losses;  // of steps 2, 4, 5, 7, 9, 10
    };
    const std::vector<Row> table = {
        {R"("interval": 2)", {1.5, 3.5, 5, 6.5, 8.5, 10}},
        {R"("interval": 2, "smoothing": 1)", {1.5, 3.5, 5, 6.5, 8.5, 10}},
        {R"("interval": 2, "smoothing": 4)", {1.5, 2.5, 3, 5, 7.5, 8}},
        {R"("interval": 2, "smoothing": 100)", {1.5, 2.5, 3, 4, 5, 5.5}},
    };
    for (const Row& row : table) {
        const auto hook = make<Hook>(R"({"type": "LoggerHook", )" + row.options + "}");
        loss_of = [](int64_t step) { return double(step); };
        std::filesystem::remove_all(folder_);
        run_ranks(1, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            run_through(*hook, run);
        });
        std::vector<double> losses;
        for (const json& line : metrics())
            if (line["mode"] == "train") losses.push_back(line["loss"]);
        EXPECT_EQ(losses, row.losses) << row.options;
    }
}

// ---- resume

class LoggerResumeTest : public LoggerHookTest {
  protected:
    static std::string text(const std::string& path) {
        std::ostringstream all;
        all << std::ifstream(path).rdbuf();
        return all.str();
    }
    /// Without what a clock told.
    std::vector<json> timeless() const {
        std::vector<json> lines = metrics();
        for (json& line : lines)
            if (line["mode"] == "val") line.erase("time");
        return lines;
    }
    std::vector<std::string> timeless_log() const {
        std::vector<std::string> lines = log_lines();
        for (std::string& line : lines)
            if (test::contains(line, "Epoch(val)")) line.erase(line.find("time: "));
        return lines;
    }
    /// What a checkpoint keeps of a state's values.
    static State saved_and_read(const State& state) {
        return {.tensors = {}, .values = from_json(to_json(state.values), "state.json")};
    }
};

TEST_F(LoggerResumeTest, GivesTheLinesOfARunThatWasNotStopped) {
    for (const std::string& options :
         {std::string(R"("interval": 3)"), std::string(R"("interval": 2, "smoothing": 5)"),
          std::string(R"("interval": 4, "log_items":
                                           {"mean": "meters.loss.avg"})")}) {
        for (int64_t stop = 1; stop < 10; ++stop) {
            if (stop == 5) continue;  // between two epochs: validation would be done again here
            loss_of = [](int64_t step) { return 1.0 / double(step); };
            std::filesystem::remove_all(folder_);
            const std::string json_text = R"({"type": "LoggerHook", )" + options + "}";
            State state;
            std::vector<json> whole;
            std::vector<std::string> whole_log;
            run_ranks(1, [&](ThreadComm& comm) {
                FakeRun run(comm, folder_);
                const auto hook = make<Hook>(json_text);
                check(*hook);
                run_through(*hook, run, 0, [&](int64_t step) {
                    if (step != stop) return true;
                    hook->before_save_checkpoint(run, "checkpoint");
                    state = saved_and_read(hook->save_state());
                    return true;
                });
            });
            whole = timeless();
            whole_log = timeless_log();
            EXPECT_EQ(run_ranks(1,
                                [&](ThreadComm& comm) {
                                    FakeRun run(comm, folder_);
                                    run.resumed = "checkpoint";
                                    reductions_ = 0;
                                    losses_ = loss_sum_ = 0;
                                    const auto hook = make<Hook>(json_text);
                                    check(*hook);
                                    hook->load_state(state);
                                    run_through(*hook, run, stop);
                                })[0],
                      "");
            EXPECT_EQ(timeless(), whole) << options << ", stopped after " << stop;
            EXPECT_EQ(timeless_log(), whole_log) << options << ", stopped after " << stop;
        }
    }
}

TEST_F(LoggerResumeTest, WritesWhereTheCheckpointWasEvenIfFilesAreGone) {
    struct Row {
        std::string what;
        std::function<void(const std::filesystem::path&)> change;
        bool warns;
        size_t lines;
    };
    const std::vector<Row> table = {
        {"kept", [](const auto&) {}, false, 9},
        {"longer", [](const auto& path) { std::ofstream(path, std::ios::app) << "torn li"; }, false,
         9},
        {"shorter", [](const auto& path) { std::filesystem::resize_file(path, 10); }, true, 8},
        {"missing", [](const auto& path) { std::filesystem::remove(path); }, true, 7},
    };
    for (const Row& row : table) {
        std::filesystem::remove_all(folder_);
        State state;
        run_ranks(1, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            const auto hook = make<Hook>(R"({"type": "LoggerHook", "interval": 2})");
            run_through(*hook, run, 0, [&](int64_t step) {
                if (step == 4) {
                    hook->before_save_checkpoint(run, "checkpoint");
                    state = saved_and_read(hook->save_state());
                }
                return step < 4;
            });
        });
        log_to_file("");
        row.change(folder_ / "metrics.jsonl");
        row.change(folder_ / "train.log");
        run_ranks(1, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            run.resumed = "checkpoint";
            const auto hook = make<Hook>(R"({"type": "LoggerHook", "interval": 2})");
            hook->load_state(state);
            testing::internal::CaptureStderr();
            run_through(*hook, run, 4);
            const std::string console = testing::internal::GetCapturedStderr();
            for (const char* name : {"metrics.jsonl", "train.log"})
                EXPECT_EQ(test::contains(console, "WARNING - " + (folder_ / name).string() +
                                                      " has not what it had when the checkpoint "
                                                      "was written"),
                          row.warns)
                    << row.what << console;
        });
        EXPECT_FALSE(test::contains(text(folder_ / "metrics.jsonl"), "torn")) << row.what;
        EXPECT_FALSE(test::contains(text(folder_ / "train.log"), "torn")) << row.what;
        EXPECT_EQ(lines("metrics.jsonl").size(), row.lines) << row.what;
        EXPECT_EQ(json::parse(lines("metrics.jsonl").back())["exit"], "done");
    }
}

TEST_F(LoggerResumeTest, AFreshRunAddsToAFileThatIsThere) {
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / "metrics.jsonl") << "{\"mode\": \"train\"}\n";
    const auto hook = make<Hook>(R"({"type": "LoggerHook"})");
    run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run_through(*hook, run);
    });
    EXPECT_EQ(metrics().size(), 6u);
}

TEST_F(LoggerHookTest, RefusesAValueThatIsCalledAsAKeyOfTheLine) {
    for (const char* name : {"mode", "epoch", "iter", "step", "time", "lr", "memory"}) {
        const auto hook = make<Hook>(R"({"type": "LoggerHook", "interval": 1})");
        check(*hook);
        run_ranks(1, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            run.optimizers()[""] = std::make_shared<FakeOptimizer>(0.5);
            run.now.total_steps = run.now.total_train_iters = 10;
            run.batch().global_size = 4;
            hook->before_run(run);
            hook->before_train_epoch(run);
            run.window->values = {{name, 1.0}};
            run.now.iters = 5;
            run.now.train_iter = ++run.now.step;
            EXPECT_EQ(test::error_of([&] { hook->after_train_iter(run); }),
                      concat("a value is recorded or published as \"", name,
                             "\", and a line of the log has one of this name already; choose "
                             "another"));
        });
    }
}

// ---- log_items

TEST_F(LoggerHookTest, LogsTheItemsThatAreAskedFor) {
    const auto hook = make<Hook>(R"({"type": "LoggerHook", "interval": 2, "log_items": {
        "lr": "optimizer.param_groups.1.lr",
        "decay": "optimizer.param_groups.0.weight_decay",
        "momentum": "optimizer.param_groups.0.momentum",
        "accuracy": "metrics.top1",
        "mean": "meters.loss.avg",
        "last": "meters.loss.val",
        "again": "losses.loss",
        "seconds": "time.iteration",
        "waiting": "time.data",
        "mib": "memory",
        "e": "progress.epoch", "i": "progress.iter", "s": "progress.step", "n": "progress.samples"}})");
    loss_of = [](int64_t step) { return double(step); };
    check(*hook, {"loss", "top1"});
    run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.optimizers()[""] = std::make_shared<FakeOptimizer>(0.5);
        run_through(*hook, run);
    });
    const std::vector<json> all = metrics();
    EXPECT_EQ(all[1], json::parse(R"({"mode": "train", "epoch": 1, "iter": 4, "step": 4, "lr": 0.05,
        "time": 0.015625, "data_time": 0.0009765625, "memory": 392, "loss": 3.5, "again": 3.5,
        "decay": 0.01, "momentum": 0.9, "mean": 2.5, "last": 3.5, "seconds": 0.015625,
        "waiting": 0.0009765625, "mib": 392.0, "e": 1.0, "i": 4.0, "s": 4.0, "n": 16.0})"));
    EXPECT_EQ(all[3]["mode"], "val");
    EXPECT_EQ(all[3]["accuracy"], 87.125);
    EXPECT_EQ(all[3]["mean"], 0.25) << "an evaluation's mean is its result";
    EXPECT_FALSE(all[3].contains("waiting")) << "not told of an evaluation";
    EXPECT_EQ(all[4]["mean"], 6.5) << "a new epoch";
    EXPECT_TRUE(test::contains(log_lines()[1], "  loss: 3.5000  again: 3.5  decay: 0.01"))
        << log_lines()[1];
}

TEST_F(LoggerHookTest, RefusesItemsThatAreNoValues) {
    const std::string paths =
        "optimizer.param_groups.N.lr (weight_decay, momentum), optimizer.NAME.param_groups.N.lr, "
        "metrics.NAME, losses.NAME, meters.NAME.val (avg), time.iteration, time.data, memory, "
        "progress.epoch (iter, step, samples)";
    const auto none = [&](const std::string& path) {
        return "\"" + path + "\" names no value of a run";
    };
    const std::vector<std::pair<std::string, std::string>> table = {
        {"", none("") + "; there are " + paths},
        {"model.depth", none("model.depth") + "; there are " + paths},
        {"memory.peak", none("memory.peak") + "; there are " + paths},
        {"optimizer", none("optimizer") + "; there are " + paths},
        {"optimizer.param_groups.lr", none("optimizer.param_groups.lr") + "; there are " + paths},
        {"optimizer.param_groups.-1.lr",
         none("optimizer.param_groups.-1.lr") + "; there are " + paths},
        {"optimiser.param_groups.0.lr",
         none("optimiser.param_groups.0.lr") + "; did you mean \"optimizer.param_groups.0.lr\"?"},
        {"optimizer.param_group.0.lr",
         none("optimizer.param_group.0.lr") + "; did you mean \"optimizer.param_groups.0.lr\"?"},
        {"optimizer.param_groups.0.weight-decay",
         none("optimizer.param_groups.0.weight-decay") +
             "; did you mean \"optimizer.param_groups.0.weight_decay\"?"},
        {"meters.top1", none("meters.top1") + "; there are " + paths},
        {"meters.top1.agv", none("meters.top1.agv") + "; did you mean \"meters.top1.avg\"?"},
        {"time.iterations", none("time.iterations") + "; did you mean \"time.iteration\"?"},
        {"progress.steps", none("progress.steps") + "; did you mean \"progress.step\"?"},
        {"metrics.tpo1", "metrics.tpo1: this run computes no \"tpo1\"; did you mean \"top1\"?"},
        {"metrics.psnr", "metrics.psnr: this run computes no \"psnr\"; it has loss, top1, top5"},
        {"meters.tpo1.avg",
         "meters.tpo1.avg: this run computes no \"tpo1\"; did you mean \"top1\"?"},
        {"losses.ce", "losses.ce: this run computes no \"ce\"; it has loss, top1, top5"},
    };
    for (const auto& [path, complaint] : table)
        EXPECT_EQ(
            test::error_of([&, p = path] {
                check(*make<Hook>(R"({"type": "LoggerHook", "log_items": {"x": ")" + p + "\"}}"),
                      {"loss", "top1", "top5"});
            }),
            "test: LoggerHook, log_items.x: " + complaint)
            << path;
    EXPECT_TRUE(
        test::contains(test::error_of([&] {
                           check(*make<Hook>(R"({"type": "LoggerHook", "log_items": {"x": 3}})"));
                       }),
                       "log_items.x: expected a path such as optimizer.param_groups.0.lr, got "));
    EXPECT_TRUE(test::contains(
        test::error_of([&] {
            check(*make<Hook>(R"({"type": "LoggerHook", "log_items": {"time": "memory"}})"));
        }),
        "log_items.time: every line has a value of this name; choose another"));
    // What hooks record cannot be known before.
    EXPECT_EQ(test::error_of([&] {
                  check(
                      *make<Hook>(
                          R"({"type": "LoggerHook", "log_items": {"x": "meters.grad_norm.val"}})"),
                      {"loss", "top1"});
              }),
              "");
}

TEST_F(LoggerHookTest, SaysWhichGroupsAnOptimizerHas) {
    const std::vector<std::pair<std::string, std::string>> table = {
        {"optimizer.param_groups.2.lr", "the optimizer has 2 groups, counted from 0"},
        {"optimizer.param_groups.1.momentum", "this optimizer has no momentum"},
        {"optimizer.critic.param_groups.0.lr", "this run's optimizer has no name; leave it out"},
    };
    for (const auto& [path, complaint] : table) {
        const auto hook =
            make<Hook>(R"({"type": "LoggerHook", "log_items": {"x": ")" + path + "\"}}");
        check(*hook);
        EXPECT_EQ(run_ranks(1,
                            [&](ThreadComm& comm) {
                                FakeRun run(comm, folder_);
                                run.optimizers()[""] = std::make_shared<FakeOptimizer>(0.5);
                                hook->before_run(run);
                            })[0],
                  "log_items.x, " + path + ": " + complaint);
    }
}

}  // namespace
}  // namespace ailab
