// TensorboardHook against a run moved by hand: where and by whom files are written. What is in them
// is read by the tensorboard package, in tests/interop.
#include <ATen/ATen.h>

#include "plugins/fake_run.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

using test::contains;
using test::error_of;
using test::FakeRun;
using test::HookTest;
using test::make;
using test::run_ranks;
using test::ThreadComm;

class TensorboardHookTest : public HookTest {
  protected:
    static std::shared_ptr<Hook> hook(const std::string& options = "") {
        return make<Hook>(R"({"type": "TensorboardHook")" + options + "}");
    }
    /// An epoch of some iterations, with an optimizer step in each `accumulate`-th.
    static void train(Hook& hook, FakeRun& run, int64_t iterations, int64_t accumulate = 1) {
        hook.before_run(run);
        run.now.iters = iterations;
        hook.before_train_epoch(run);
        for (run.now.iter = 0; run.now.iter < iterations; ++run.now.iter) {
            hook.before_train_iter(run);
            run.now.step += (run.now.iter + 1) % accumulate == 0;
            hook.after_train_iter(run);
        }
        --run.now.iter;
        hook.after_train_epoch(run);
        hook.after_run(run);
    }
    static std::string content(const fs::path& folder) {
        std::string all;
        for (const auto& entry : fs::directory_iterator(folder)) {
            std::ifstream file(entry.path(), std::ios::binary);
            all.append(std::istreambuf_iterator<char>(file), {});
        }
        return all;
    }
    static int64_t files(const fs::path& folder) {
        return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
    }
    static int64_t count(const std::string& text, const std::string& part) {
        int64_t found = 0;
        for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
            ++found;
        return found;
    }
};

// In the epochs in which a validation comes, which with val_interval: 2 are the second, fourth, …
TEST_F(TensorboardHookTest, WritesImagesThatFallBetweenTwoValidationsWithTheNextOne) {
    struct Case {
        int64_t interval;
        std::vector<int64_t> validated, expected;
        bool resumes = false;  // before each of them
    };
    const std::vector<Case> table = {
        {1, {0, 1, 2}, {0, 1, 2}},
        {2, {0, 1, 2, 3, 4}, {0, 2, 4}},
        {2, {0, 1, 2, 3, 4}, {0, 2, 4}, true},
        {2, {1, 3, 5}, {1, 3, 5}},
        {4, {1, 3, 5, 7, 9}, {1, 5, 9}},
        {4, {1, 3, 5, 7, 9}, {1, 5, 9}, true},
        {3, {4, 9}, {4, 9}},
        {1, {0, 0, 1}, {0, 0, 1}},  // a run that begins with a validation
        {0, {0, 1}, {}},
    };
    for (const Case& c : table) {
        std::vector<int64_t> found;
        on_one_rank([&](FakeRun& run) {
            const auto fresh = [&] { return hook(concat(R"(, "image_interval": )", c.interval)); };
            std::shared_ptr<Hook> tensorboard = fresh();
            tensorboard->before_run(run);
            run.batch() = Batch{{"input", at::zeros({1, 1, 2, 2})}};
            run.batch().size = run.batch().global_size = 1;
            int64_t before = 0;
            for (const int64_t epoch : c.validated) {
                if (c.resumes) {
                    const State state = tensorboard->save_state();
                    tensorboard->after_run(run);
                    fs::remove_all(folder_ / "tf_logs" / folder_.filename());
                    tensorboard = fresh();
                    tensorboard->load_state(state);
                    tensorboard->before_run(run);
                    before = 0;
                }
                run.now.phase = Phase::val;
                run.now.epoch = epoch;
                tensorboard->before_val_epoch(run);
                for (int iteration = 0; iteration < 2; ++iteration)
                    tensorboard->after_val_iter(run);
                tensorboard->after_val_epoch(run);
                tensorboard->before_save_checkpoint(run, "");
                const int64_t images =
                    count(content(folder_ / "tf_logs" / folder_.filename()), "val/sample_0");
                if (images > before) found.push_back(epoch);
                before = images;
            }
            tensorboard->after_run(run);
        });
        EXPECT_EQ(found, c.expected) << c.interval << (c.resumes ? ", resumed" : "");
        fs::remove_all(folder_);
    }
}

TEST_F(TensorboardHookTest, WritesOnRankZeroAndReducesOnAll) {
    std::vector<std::shared_ptr<Hook>> hooks = {hook(), hook()};
    const auto errors = run_ranks(2, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.window->values = {{"loss", 0.5}};
        train(*hooks[size_t(comm.rank())], run, 25);
        EXPECT_EQ(run.window->reductions, 3);  // after 10 and 20 iterations, and at the end
    });
    EXPECT_EQ(errors, std::vector<std::string>(2));
    // The fake's work_dir and run_dir are one folder.
    const fs::path logs = folder_ / "tf_logs" / folder_.filename();
    EXPECT_EQ(files(logs), 1);
    EXPECT_EQ(count(content(logs), "train/loss"), 3);
}

TEST_F(TensorboardHookTest, WritesOnePointAStep) {
    const auto tensorboard = hook(R"(, "interval": 1, "hparams": false)");
    run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.window->values = {{"loss", 0.5}};
        train(*tensorboard, run, 16, /*accumulate=*/4);
        EXPECT_EQ(run.window->reductions, 4);
    });
}

TEST_F(TensorboardHookTest, ARunBehindItsOldFilesHidesTheirLaterPoints) {
    const fs::path logs = folder_ / "logs" / folder_.filename();
    const std::string options = R"(, "log_dir": ")" + (folder_ / "logs").string() + "\"";
    State checkpoint;
    run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.window->values = {{"loss", 0.5}};
        const auto first = hook(options);
        first->before_run(run);
        for (run.now.iters = 20; run.now.step < 13; ++run.now.iter) {
            ++run.now.step;
            first->after_train_iter(run);
            if (run.now.step != 10) continue;
            first->before_save_checkpoint(run, "epoch_1");
            checkpoint = first->save_state();
        }
    });
    // An Event of step 10 with session_log {status: START}.
    const std::string start("\x10\x0a\x3a\x02\x08\x01");
    EXPECT_EQ(count(content(logs), start), 0);
    run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.resumed = "epoch_1";
        run.now.step = 10;
        const auto second = hook(options);
        second->load_state(checkpoint);
        second->before_run(run);
        second->on_exception(run, "killed");
    });
    EXPECT_EQ(files(logs), 3);  // two of events, and whose they are
    EXPECT_EQ(count(content(logs), start), 1);
    EXPECT_EQ(count(content(logs), "train/loss"), 2);  // step 10's is written again
}

TEST_F(TensorboardHookTest, NamesItsFolderForOtherHooks) {
    EXPECT_EQ(hook()->output_paths(), std::vector<std::string>{"../tf_logs"});
    EXPECT_EQ(hook(R"(, "log_dir": "/a/b")")->output_paths(), std::vector<std::string>{"/a/b"});
    EXPECT_EQ(hook(R"(, "log_dir": "b")")->output_paths(),
              std::vector<std::string>{fs::absolute("b").string()});
}

TEST_F(TensorboardHookTest, RefusesOptionsThatMakeNoSense) {
    const std::vector<std::pair<std::string, std::string>> table = {
        {R"("interval": 0)", "interval must be between 1 and 1000000000000"},
        {R"("histogram_interval": -1)", "histogram_interval must be between 0 and 1000000000000"},
        {R"("image_interval": -1)", "image_interval must be between 0 and 1000000000000"},
        {R"("max_images": 0)", "max_images must be between 1 and 10000"},
        {R"("graph": 1)", "graph must be true or false"},
        {R"("log": "x")", "log"},
    };
    for (const auto& [option, complaint] : table) {
        const std::string error = error_of([&, &option = option] { hook(", " + option); });
        EXPECT_TRUE(contains(error, complaint)) << option << ": " << error;
    }
}

TEST_F(TensorboardHookTest, RefusesImagesOfAPhaseThatIsNotThere) {
    const auto complaints = [&](int64_t interval, std::vector<Phase> phases) {
        Problems problems;
        hook(concat(R"(, "image_interval": )", interval))->check({.phases = phases}, problems);
        return problems.size();
    };
    EXPECT_EQ(complaints(1, {Phase::train}), 1u);
    EXPECT_EQ(complaints(1, {Phase::train, Phase::val}), 0u);
    EXPECT_EQ(complaints(0, {Phase::train}), 0u);
}

}  // namespace
}  // namespace ailab
