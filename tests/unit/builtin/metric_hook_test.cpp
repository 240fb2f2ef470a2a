// MetricHook: sums over ranks, names, phases, and its state in the middle of an epoch.
#include <cmath>

#include "fake_run.hpp"

namespace ailab {
namespace {

using test::FakeRun;
using test::HookTest;
using test::make;
using test::run_ranks;
using test::ThreadComm;
using Results = std::vector<std::pair<std::string, double>>;

/// Sample i of 10: right for the first 6, in the five highest for 9.
Batch samples(int64_t begin, int64_t end) {
    Tensor output = torch::zeros({end - begin, 10});
    for (int64_t i = begin; i < end; ++i)
        for (int64_t c = 0; c < 10; ++c)
            output[i - begin][c] =
                i < 6 ? double(c == 3) * 10 - double(c) : (i < 9 ? -double(c) : double(c));
    Batch batch{{"output", output}, {"target", torch::full({end - begin}, 3, at::kLong)}};
    batch.size = end - begin;
    return batch;
}

class MetricHookTest : public HookTest {};

TEST_F(MetricHookTest, GivesTheSameNumbersForAnyNumberOfRanks) {
    for (int ranks : {1, 2, 3, 4}) {
        std::vector<std::shared_ptr<Hook>> hooks;
        for (int r = 0; r < ranks; ++r) hooks.push_back(make<Hook>(R"({"type": "MetricHook"})"));
        std::vector<Results> results(static_cast<size_t>(ranks));
        const auto errors = run_ranks(ranks, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            Hook& hook = *hooks[size_t(comm.rank())];
            for (int epoch = 0; epoch < 2; ++epoch) {
                run.now.phase = Phase::val;
                run.published.clear();
                // Batches of 3 dealt in turn; the last rounds leave some ranks without any.
                for (int64_t begin = 0; begin < 10; begin += 3 * ranks) {
                    const int64_t mine = begin + 3 * comm.rank();
                    run.batch() =
                        mine < 10 ? samples(mine, std::min<int64_t>(10, mine + 3)) : Batch();
                    hook.after_val_iter(run);
                }
                comm.collectives = 0;
                hook.after_val_epoch(run);
                EXPECT_EQ(comm.collectives, 1) << "one for all the metrics' counts";
            }
            results[size_t(comm.rank())] = run.published[Phase::val];
        });
        for (const std::string& error : errors) EXPECT_EQ(error, "");
        for (const Results& result : results)
            EXPECT_EQ(result, (Results{{"top1", 60}, {"top5", 90}})) << ranks << " ranks";
    }
}

TEST_F(MetricHookTest, RunsEachMetricInItsPhases) {
    const auto hook = make<Hook>(R"({"type": "MetricHook",
        "always": {"type": "Accuracy", "phases": ["train", "val", "test"]},
        "tested": {"type": "Accuracy", "phases": ["test"]},
        "usual": {"type": "Accuracy", "topk": 5}})");
    const auto errors = run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.batch() = samples(0, 10);
        run.now.phase = Phase::train;
        hook->after_train_iter(run);
        hook->after_train_epoch(run);
        run.now.phase = Phase::val;
        hook->after_val_iter(run);
        hook->after_val_epoch(run);
        run.now.phase = Phase::test;
        hook->after_test_iter(run);
        hook->after_test_epoch(run);
        EXPECT_EQ(run.published[Phase::train], (Results{{"always", 60}}));
        EXPECT_EQ(run.published[Phase::val], (Results{{"always", 60}, {"usual", 90}}));
        EXPECT_EQ(run.published[Phase::test],
                  (Results{{"always", 60}, {"tested", 60}, {"usual", 90}}));
    });
    EXPECT_EQ(errors[0], "");
}

TEST_F(MetricHookTest, BindsByName) {
    const auto hook = make<Hook>(R"({"type": "MetricHook",
        "top1": {"type": "Accuracy", "mapping": {"pred": "scores", "label": "kind"}}})");
    const auto missing = make<Hook>(R"({"type": "MetricHook",
        "top1": {"type": "Accuracy", "mapping": {"output": "logits"}}})");
    const auto errors = run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.now.phase = Phase::val;
        const Batch from = samples(0, 10);
        run.batch() = Batch{{"scores", from.tensor("output")}, {"kind", from.tensor("target")}};
        run.batch().size = 10;
        hook->after_val_iter(run);
        hook->after_val_epoch(run);
        EXPECT_EQ(run.published[Phase::val], (Results{{"top1", 60}}));
        missing->after_val_iter(run);
    });
    EXPECT_NE(errors[0].find("metric top1 (Accuracy)"), std::string::npos) << errors[0];
    EXPECT_NE(errors[0].find("logits"), std::string::npos) << errors[0];
    EXPECT_NE(errors[0].find("scores"), std::string::npos) << errors[0];
}

TEST_F(MetricHookTest, OfNoSamplesIsUnknown) {
    const auto hook = make<Hook>(R"({"type": "MetricHook"})");
    run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.now.phase = Phase::val;
        hook->after_val_epoch(run);
        EXPECT_TRUE(std::isnan(run.published[Phase::val].at(0).second));
    });
}

TEST_F(MetricHookTest, GoesOnInTheMiddleOfAnEpochOnOtherRanks) {
    const char* json =
        R"({"type": "MetricHook", "top1": {"type": "Accuracy", "phases": ["train"]}})";
    std::vector<std::shared_ptr<Hook>> before, after;
    for (int i = 0; i < 3; ++i) before.push_back(make<Hook>(json));
    for (int i = 0; i < 2; ++i) after.push_back(make<Hook>(json));
    State saved;
    run_ranks(3, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        Hook& hook = *before[size_t(comm.rank())];
        run.batch() = samples(2 * comm.rank(), 2 * comm.rank() + 2);  // 0 … 5: all right
        hook.after_train_iter(run);
        hook.before_save_checkpoint(run, "checkpoint");
        if (comm.rank() == 0) saved = hook.save_state();
    });
    EXPECT_EQ(saved.tensors.at("top1/total").item<int64_t>(), 6);
    EXPECT_EQ(saved.tensors.at("top1/correct").item<int64_t>(), 6);
    const auto errors = run_ranks(2, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        Hook& hook = *after[size_t(comm.rank())];
        hook.load_state(saved);
        hook.after_load_checkpoint(run, "checkpoint");
        hook.before_train_epoch(run);
        run.batch() = samples(6 + 2 * comm.rank(), 8 + 2 * comm.rank());  // 6 … 9: all wrong
        hook.after_train_iter(run);
        hook.after_train_epoch(run);
        EXPECT_EQ(run.published[Phase::train], (Results{{"top1", 60}}));
    });
    EXPECT_EQ(errors, (std::vector<std::string>{"", ""}));
}

TEST_F(MetricHookTest, ChecksItsOptions) {
    EXPECT_THROW(make<Hook>(R"({"type": "MetricHook", "top1": {"type": "Acuracy"}})"), ConfigError);
    const std::string error = test::error_of([] {
        make<Hook>(R"({"type": "MetricHook", "top1": {"type": "Accuracy", "phases": ["vall"]}})");
    });
    EXPECT_NE(error.find("vall"), std::string::npos) << error;
}

}  // namespace
}  // namespace ailab
