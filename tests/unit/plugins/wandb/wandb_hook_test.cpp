// WandbHook: which steps get a row, and what is in it. The whole of it is tested with the real
// client in tests/interop.
#include <cstdlib>

#include "plugins/fake_run.hpp"
#include "trackers/transaction_log.hpp"
#include "wandb/records.hpp"

namespace ailab::wandb {
namespace {

using test::contains;
using test::FakeRun;
using test::make;
using test::run_ranks;
using test::ThreadComm;

class WandbHookTest : public test::HookTest {
  protected:
    void SetUp() override {
        HookTest::SetUp();
        for (const char* name : {"WANDB_DIR", "WANDB_MODE", "WANDB_RUN_ID"}) unsetenv(name);
    }
    static std::shared_ptr<Hook> make_hook(const std::string& mode = "offline") {
        return make<Hook>(
            R"({"type": "WandbHook", "interval": 2, "init_args": {"id": "a", "mode": ")" + mode +
            R"("}})");
    }
    /// An iteration, with an optimizer step or without.
    static void iterate(Hook& hook, FakeRun& run, bool stepped = true) {
        hook.before_train_iter(run);
        if (stepped) ++run.now.step;
        hook.after_train_iter(run);
        ++run.now.iter;
    }
    static void end_epoch(Hook& hook, FakeRun& run) {
        --run.now.iter;
        hook.after_train_epoch(run);
        run.now.iter = 0;
    }
    static void validate(Hook& hook, FakeRun& run) {
        run.now.phase = Phase::val;
        run.published.clear();
        run.publish("top1", 50);
        hook.before_val_epoch(run);
        hook.after_val_epoch(run);
        run.now.phase = Phase::train;
    }
    std::vector<std::string> run_files() const {
        std::vector<std::string> files;
        if (!std::filesystem::exists(folder_ / "wandb")) return files;
        for (const auto& entry : std::filesystem::directory_iterator(folder_ / "wandb"))
            files.push_back((entry.path() / "run-a.wandb").string());
        return files;
    }
    /// "2", or "2 val" where the row has results of a validation.
    std::vector<std::string> rows() const {
        std::vector<std::string> result;
        for (const StoredRecord& stored : read_log(run_files().at(0), wandb_log))
            if (const auto step = history_step(stored.bytes))
                result.push_back(std::to_string(*step) +
                                 (contains(stored.bytes, "train/loss") ? "" : " no loss") +
                                 (contains(stored.bytes, "val/top1") ? " val" : ""));
        return result;
    }
    using Rows = std::vector<std::string>;
};

TEST_F(WandbHookTest, GivesAStepOneRow) {
    const auto hook = make_hook();
    const auto errors = run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.window->values = {{"loss", 1}};
        run.now.iters = 5;
        hook->before_run(run);
        validate(*hook, run);
        for (int epoch = 0; epoch < 2; ++epoch) {
            hook->before_train_epoch(run);
            for (int i = 0; i < 5; ++i) iterate(*hook, run);
            end_epoch(*hook, run);
            validate(*hook, run);
        }
        hook->after_run(run);
    });
    EXPECT_EQ(errors[0], "");
    EXPECT_EQ(rows(), (Rows{"0 no loss val", "2", "4", "5 val", "7", "9", "10 val"}));
}

TEST_F(WandbHookTest, CountsOptimizerSteps) {
    const auto hook = make_hook();
    const auto errors = run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.window->values = {{"loss", 1}};
        run.now.iters = 8;
        hook->before_run(run);
        hook->before_train_epoch(run);
        // Two steps of three iterations, and two iterations that are part of none.
        for (int i = 0; i < 8; ++i) iterate(*hook, run, i % 3 == 2);
        end_epoch(*hook, run);
        validate(*hook, run);
        hook->after_run(run);
    });
    EXPECT_EQ(errors[0], "");
    EXPECT_EQ(rows(), (Rows{"1", "2 val"}));
}

// The model goes back to a checkpoint; the steps' numbers, and so the rows, go on.
TEST_F(WandbHookTest, LosesNoRowWhenTheRunIsRolledBack) {
    const auto hook = make_hook();
    const auto errors = run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.window->values = {{"loss", 1}};
        run.now.iters = 20;
        hook->before_run(run);
        hook->before_train_epoch(run);
        for (int i = 0; i < 3; ++i) iterate(*hook, run);
        const State checkpoint = hook->save_state();
        for (int i = 0; i < 4; ++i) iterate(*hook, run);
        hook->load_state(checkpoint);
        for (int i = 0; i < 6; ++i) iterate(*hook, run);
        hook->after_run(run);
    });
    EXPECT_EQ(errors[0], "");
    EXPECT_EQ(rows(), (Rows{"2", "4", "6", "8", "10", "12"}));
}

TEST_F(WandbHookTest, WritesOnRankZeroAndReducesOnAll) {
    std::vector<std::shared_ptr<Hook>> hooks = {make_hook(), make_hook()};
    const auto errors = run_ranks(2, [&](ThreadComm& comm) {
        Hook& hook = *hooks[size_t(comm.rank())];
        FakeRun run(comm, folder_);
        run.window->values = {{"loss", 1}};
        run.now.iters = 5;
        hook.before_run(run);
        hook.before_train_epoch(run);
        for (int i = 0; i < 5; ++i) iterate(hook, run);
        end_epoch(hook, run);
        hook.after_run(run);
        EXPECT_EQ(run.window->reductions, 3);
        EXPECT_EQ(hook.save_state().values.members().empty(), !run.is_main());
    });
    EXPECT_EQ(errors, (std::vector<std::string>{"", ""}));
    EXPECT_EQ(rows(), (Rows{"2", "4", "5"}));
    EXPECT_EQ(run_files().size(), 1u);
}

TEST_F(WandbHookTest, DisabledDoesNothing) {
    const auto hook = make_hook("disabled");
    const auto errors = run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.now.iters = 3;
        hook->before_run(run);
        hook->before_train_epoch(run);
        for (int i = 0; i < 3; ++i) iterate(*hook, run);
        end_epoch(*hook, run);
        validate(*hook, run);
        hook->after_run(run);
        EXPECT_EQ(run.window->reductions, 0);
    });
    EXPECT_EQ(errors[0], "");
    EXPECT_TRUE(run_files().empty());
    EXPECT_TRUE(hook->output_paths().empty());
}

TEST_F(WandbHookTest, AFolderThatCannotBeMadeEndsTheRunBeforeItBegins) {
    const auto hook = make<Hook>(
        R"({"type": "WandbHook", "init_args": {"mode": "offline", "dir": "/proc/none"}})");
    const auto errors = run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        hook->before_run(run);
    });
    EXPECT_TRUE(contains(errors[0], "dir: cannot create the folder /proc/none: ")) << errors[0];
}

}  // namespace
}  // namespace ailab::wandb
