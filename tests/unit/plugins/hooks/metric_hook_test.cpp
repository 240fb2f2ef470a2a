// MetricHook: sums over ranks, names, phases, and its state in the middle of an epoch.
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

#include "plugins/fake_run.hpp"

namespace ailab {
namespace {

using test::error_of;
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

TEST_F(MetricHookTest, NamesGoIntoFilesAndTables) {
    const auto with_name = [](const std::string& name) {
        const std::string json =
            concat(R"({"type": "MetricHook", ")", name, R"(": {"type": "Accuracy"}})");
        return error_of([&] { make<Hook>(json); });
    };
    const std::string rule =
        "the name of a metric has 1 to 100 characters, and no control characters among them; got ";
    for (const std::string& name : {std::string(), std::string(R"(a\nb)"), std::string(101, 'x')})
        EXPECT_NE(with_name(name).find(rule), std::string::npos) << with_name(name);
    for (const std::string& name : {std::string("top1"), std::string("val/acc of 3"),
                                    std::string("\xc3\xa9t\xc3\xa9"), std::string(100, 'x')})
        EXPECT_EQ(with_name(name), "") << name;
}

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
                // Batches of 3, in turn; the last rounds leave some ranks without any.
                for (int64_t begin = 0; begin < 10; begin += 3 * ranks) {
                    const int64_t mine = begin + 3 * comm.rank();
                    run.batch() =
                        mine < 10 ? samples(mine, std::min<int64_t>(10, mine + 3)) : Batch();
                    hook.after_val_iter(run);
                }
                comm.collectives = 0;
                hook.after_val_epoch(run);
                EXPECT_EQ(comm.collectives, ranks == 1 ? 2 : 3)
                    << "the shapes, all the metrics' numbers, and whether the results are alike";
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
    const auto hook = make<Hook>(R"({"type": "MetricHook", "top1": {"type": "Accuracy"}})");
    const auto errors = run_ranks(1, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.now.phase = Phase::val;
        hook->after_val_epoch(run);
        EXPECT_TRUE(std::isnan(run.published[Phase::val].at(0).second));
    });
    EXPECT_EQ(errors[0], "");
}

TEST_F(MetricHookTest, LeavesDefaultsOutThatMeanNothing) {
    const Tensor numbers = torch::zeros({4}, at::kLong);
    const std::vector<std::tuple<Tensor, Tensor, std::vector<std::string>>> table = {
        {torch::rand({4, 10}), numbers, {"top1", "top5"}},
        {torch::rand({4, 6}), numbers, {"top1", "top5"}},
        {torch::rand({4, 5}), numbers, {"top1"}},
        {torch::rand({4, 2}), numbers, {"top1"}},
        {torch::rand({4, 1}), numbers, {}},
        {torch::rand({4}), numbers, {}},
        {torch::rand({4, 3, 7}), torch::zeros({4, 3}, at::kLong), {}},
        {torch::rand({4, 10}), torch::rand({4}), {}}};
    for (const auto& [output, target, expected] : table) {
        std::vector<std::shared_ptr<Hook>> hooks;
        for (int i = 0; i < 2; ++i) hooks.push_back(make<Hook>(R"({"type": "MetricHook"})"));
        const auto errors = run_ranks(
            2, [&, &output = output, &target = target, &expected = expected](ThreadComm& comm) {
                FakeRun run(comm, folder_);
                Hook& hook = *hooks[size_t(comm.rank())];
                for (int epoch = 0; epoch < 2; ++epoch) {
                    run.published.clear();
                    run.now.phase = Phase::val;
                    if (comm.rank() == 0) {  // the other rank has no batch
                        run.batch() = Batch{{"output", output}, {"target", target}};
                        run.batch().size = 4;
                    }
                    hook.after_val_iter(run);
                    hook.after_val_epoch(run);
                    std::vector<std::string> names;
                    for (const auto& [name, value] : run.published[Phase::val])
                        names.push_back(name);
                    EXPECT_EQ(names, expected) << output.sizes();
                }
            });
        EXPECT_EQ(errors, (std::vector<std::string>{"", ""}));
    }
}

/// As the loss's configuration says.
TEST_F(MetricHookTest, ItsDefaultsLeaveOutWhatTheLossIgnores) {
    const std::vector<std::pair<const char*, bool>> table = {
        {R"({"type": "CrossEntropyLoss", "ignore_index": 255})", true},
        {R"({"type": "CrossEntropyLoss", "ignore_index": 254})", false},
        {R"({"type": "CrossEntropyLoss", "ignore_index": null})", false},
        {R"({"type": "WeightedLoss", "losses": {"a": {"type": "L1Loss"},
             "b": {"type": "FocalLoss", "ignore_index": 255}}})",
         true},
        {R"({"type": "WeightedLoss", "losses": {
             "a": {"type": "CrossEntropyLoss", "mapping": {"target": "mask"}, "ignore_index": 255},
             "b": {"type": "CrossEntropyLoss"}}})",
         false}};
    for (const auto& [loss, leaves_out] : table) {
        const auto hook = make<Hook>(R"({"type": "MetricHook"})");
        const auto errors = run_ranks(1, [&, config = loss, known = leaves_out](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            run.settings.set("loss", from_json(config, "test"));
            hook->before_run(run);
            run.now.phase = Phase::val;
            run.batch() = samples(0, 10);
            const_cast<Tensor&>(run.batch().tensor("target"))[9] = 255;
            const std::string error = error_of([&] { hook->after_val_iter(run); });
            EXPECT_EQ(error.empty(), known) << config << "\n" << error;
            if (!known) return;
            hook->after_val_epoch(run);
            EXPECT_EQ(run.published[Phase::val], (Results{{"top1", 100 * 6 / 9.0}, {"top5", 100}}));
        });
        EXPECT_EQ(errors[0], "");
    }
}

TEST_F(MetricHookTest, RefusesRanksWithOtherClasses) {
    std::vector<std::shared_ptr<Hook>> hooks;
    for (int i = 0; i < 2; ++i)
        hooks.push_back(make<Hook>(R"({"type": "MetricHook", "f1": {"type": "F1Score"}})"));
    const auto errors = run_ranks(2, [&](ThreadComm& comm) {
        FakeRun run(comm, folder_);
        run.now.phase = Phase::val;
        run.batch() = Batch{{"output", torch::rand({4, 3 + comm.rank()})},
                            {"target", torch::zeros({4}, at::kLong)}};
        run.batch().size = 4;
        hooks[size_t(comm.rank())]->after_val_iter(run);
        hooks[size_t(comm.rank())]->after_val_epoch(run);
    });
    for (const std::string& error : errors) {
        EXPECT_TRUE(test::contains(error, "metric f1 (F1Score): rank 1")) << error;
        EXPECT_TRUE(test::contains(error, "[3, 4]") && test::contains(error, "[3, 3]")) << error;
    }
}

TEST_F(MetricHookTest, ChecksBindingsInEachPhase) {
    const auto hook = make<Hook>(R"({"type": "MetricHook", "top1": {"type": "Accuracy",
        "phases": ["train", "val", "test"]}})");
    RunPlan plan;
    plan.phases = {Phase::train, Phase::val, Phase::test};
    plan.fields = {{Phase::train, {"output", "target"}},
                   {Phase::val, {"output", "kind"}},
                   {Phase::test, {"output", "kind"}}};
    Problems problems;
    hook->check(plan, problems);
    ASSERT_EQ(problems.size(), 1u) << "said once";
    EXPECT_TRUE(test::contains(problems.list()[0].text, "\"target\"")) << problems.list()[0].text;
    EXPECT_TRUE(test::contains(problems.list()[0].text, "val")) << problems.list()[0].text;
    plan.fields[Phase::test] = {"scores", "target"};
    Problems more;
    hook->check(plan, more);
    EXPECT_EQ(more.size(), 2u);
}

TEST_F(MetricHookTest, NamesItsResults) {
    using Names = std::vector<std::string>;
    const auto usual = make<Hook>(R"({"type": "MetricHook"})");
    EXPECT_EQ(usual->result_names(Phase::val), (Names{"top1", "top5"}));
    EXPECT_EQ(usual->result_names(Phase::train), Names{});
    const auto hook = make<Hook>(R"({"type": "MetricHook",
        "f1": {"type": "F1Score", "average": "none", "num_classes": 3},
        "iou": {"type": "MeanIoU", "per_class": true, "num_classes": 2, "phases": ["train"]},
        "recall": {"type": "Recall", "average": "none"}})");
    EXPECT_EQ(hook->result_names(Phase::train), (Names{"iou", "iou_0", "iou_1"}));
    EXPECT_EQ(hook->result_names(Phase::val), (Names{"f1_0", "f1_1", "f1_2", "recall"}));
}

/// Numbers whose sum depends on its order, scores, and a state whose size the data decide.
const char* trained = R"({"type": "MetricHook",
    "auc": {"type": "AUROC", "phases": ["train"], "mapping": {"output": "score"}},
    "f1": {"type": "F1Score", "phases": ["train"], "average": "macro"},
    "mse": {"type": "MeanSquaredError", "phases": ["train"],
            "mapping": {"output": "score", "target": "real"}}})";

Batch training_batch(int64_t iter, int rank) {
    const auto generator = at::make_generator<at::CPUGeneratorImpl>(uint64_t(10 * iter + rank));
    const auto numbers = at::TensorOptions().dtype(at::kDouble);
    Batch batch{{"output", at::rand({5, 4}, generator, numbers)},
                {"score", at::rand({5}, generator, numbers)},
                {"real", at::randn({5}, generator, numbers)},
                {"target", at::randint(2, {5}, generator, at::TensorOptions().dtype(at::kLong))}};
    batch.size = 5;
    return batch;
}

/// Two ranks train iterations [begin, end) of an epoch of 6, each one going on from `from`; what
/// they publish, or save if the epoch is not over.
Results train(const std::string& folder, int64_t begin, int64_t end,
              const std::vector<std::vector<State>>& from, std::vector<State>* saved) {
    std::vector<std::shared_ptr<Hook>> hooks;
    for (int i = 0; i < 2; ++i) hooks.push_back(make<Hook>(trained));
    std::vector<Results> results(2);
    const auto errors = run_ranks(2, [&](ThreadComm& comm) {
        const auto rank = size_t(comm.rank());
        FakeRun run(comm, folder);
        Hook& hook = *hooks[rank];
        if (!from.empty()) hook.load_rank_states(from[rank]);
        hook.before_run(run);
        hook.before_train_epoch(run);
        for (int64_t iter = begin; iter < end; ++iter) {
            run.batch() = training_batch(iter, comm.rank());
            hook.after_train_iter(run);
        }
        EXPECT_EQ(comm.collectives, 0) << "nothing before the end of the epoch";
        if (saved) {
            (*saved)[rank] = hook.save_rank_state();
            EXPECT_EQ(comm.collectives, 0);
        } else {
            hook.after_train_epoch(run);
            results[rank] = run.published[Phase::train];
            EXPECT_TRUE(hook.save_rank_state().tensors.empty()) << "the next epoch begins anew";
        }
    });
    EXPECT_EQ(errors, (std::vector<std::string>{"", ""}));
    EXPECT_EQ(results[0], results[1]);
    return results[0];
}

TEST_F(MetricHookTest, GoesOnInTheMiddleOfAnEpoch) {
    const Results straight = train(folder_, 0, 6, {}, nullptr);
    ASSERT_EQ(straight.size(), 3u);
    std::vector<State> saved(2);
    train(folder_, 0, 4, {}, &saved);
    EXPECT_EQ(train(folder_, 4, 6, {{saved[0]}, {saved[1]}}, nullptr), straight) << "bit for bit";
    // Saved by another number of ranks: rank 0 takes all.
    const Results moved = train(folder_, 4, 6, {{saved[0], saved[1]}, {}}, nullptr);
    ASSERT_EQ(moved.size(), 3u);
    for (size_t i = 0; i < 3; ++i)
        EXPECT_NEAR(moved[i].second, straight[i].second, 1e-12) << moved[i].first;
    // A rank that has counted nothing saves nothing.
    EXPECT_NE(train(folder_, 4, 6, {{State()}, {State()}}, nullptr), straight);
}

TEST_F(MetricHookTest, RefusesTheStateOfOtherMetrics) {
    std::vector<State> saved(2);
    train(folder_, 0, 2, {}, &saved);
    const auto others = make<Hook>(
        R"({"type": "MetricHook", "mse": {"type": "MeanSquaredError", "phases": ["train"]}})");
    const auto error_with = [&](Hook& hook, const State& state) {
        return run_ranks(1, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            hook.load_rank_states({state});
            hook.before_run(run);
        })[0];
    };
    const std::string error = error_with(*others, saved[0]);
    EXPECT_TRUE(test::contains(error, "auc, f1, mse")) << error;
    State wrong = saved[0];
    for (auto& [name, tensor] : wrong.tensors) tensor = torch::zeros({2, 2}, tensor.scalar_type());
    EXPECT_NE(error_with(*make<Hook>(trained), wrong), "");
}

TEST_F(MetricHookTest, ChecksItsOptions) {
    EXPECT_THROW(make<Hook>(R"({"type": "MetricHook", "top1": {"type": "Acuracy"}})"), ConfigError);
    const std::string error = error_of([] {
        make<Hook>(R"({"type": "MetricHook", "top1": {"type": "Accuracy", "phases": ["vall"]}})");
    });
    EXPECT_NE(error.find("vall"), std::string::npos) << error;
}

}  // namespace
}  // namespace ailab
