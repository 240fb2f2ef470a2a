// Which targets each loss and metric takes for scores [N, classes]: all others are refused, with
// its name, by the first batch.
#include <algorithm>
#include <set>

#include "plugins/losses/loss_values.hpp"

namespace ailab {
namespace {

using test::contains;
using test::error_of;
using test::make;

Tensor two_rows(const std::vector<double>& values) {
    return torch::tensor(values, at::kFloat).reshape({2, 3});
}

/// For two samples and three classes.
const std::vector<std::pair<std::string, Tensor>>& target_kinds() {
    static const std::vector<std::pair<std::string, Tensor>> all = {
        {"numbers", torch::tensor({0, 2}, at::kLong)},
        {"channel", torch::tensor({0, 2}, at::kByte).reshape({2, 1})},
        {"too high", torch::tensor({0, 3}, at::kLong)},
        {"too low", torch::tensor({0, -1}, at::kLong)},
        {"other length", torch::tensor({0, 1, 2}, at::kLong)},
        {"real numbers", torch::tensor({0.0f, 2.0f})},
        {"one-hot", two_rows({1, 0, 0, 0, 0, 1})},
        {"mixed", two_rows({0.7, 0.3, 0, 0, 0.4, 0.6})},
        {"multi-hot", two_rows({1, 1, 0, 0, 0, 0})},
        {"shares", two_rows({0.5, 0.9, 0, 0.2, 0, 0})},
        {"counts", two_rows({2, 0, 1, 0, 0, 3})},
        {"reals", two_rows({2, -1.5, 1, 0, 0, 3})},
        {"nothing known", two_rows({0, 0, 1, std::nan(""), 0, 0})},
    };
    return all;
}

struct Taker {
    const char* config;
    std::set<std::string> takes;
};

template <class Use>
void check_takers(const std::vector<Taker>& table, const Use& use) {
    for (const Taker& taker : table)
        for (const auto& [kind, target] : target_kinds()) {
            const std::string error =
                error_of([&, &target = target] { use(taker.config, target); });
            EXPECT_EQ(error.empty(), taker.takes.contains(kind))
                << taker.config << " of \"" << kind << "\"\n"
                << error;
            const std::string config = taker.config;
            const std::string name = config.substr(10, config.find('"', 10) - 10);
            if (!error.empty()) EXPECT_TRUE(contains(error, name)) << error;
        }
}

const std::set<std::string> numbers = {"numbers", "channel"};
const std::set<std::string> yes_no = {"one-hot", "mixed", "multi-hot", "shares"};
const std::set<std::string> at_least_0 = {"one-hot", "mixed", "multi-hot", "shares", "counts"};
/// NaN is a number that training will tell of (NanGuardHook).
const std::set<std::string> reals = {"one-hot", "mixed", "multi-hot",    "shares",
                                     "counts",  "reals", "nothing known"};

TEST(Targets, OfEachLoss) {
    const std::vector<Taker> table = {
        {R"({"type": "CrossEntropyLoss"})",
         {"numbers", "channel", "one-hot", "mixed", "multi-hot", "shares"}},
        {R"({"type": "NLLLoss"})", numbers},
        {R"({"type": "FocalLoss"})", numbers},
        {R"({"type": "FocalLoss", "activation": "sigmoid"})", yes_no},
        {R"({"type": "DiceLoss"})", numbers},
        {R"({"type": "DiceLoss", "activation": "sigmoid"})", yes_no},
        {R"({"type": "OHEMCrossEntropyLoss"})", numbers},
        {R"({"type": "MultiMarginLoss"})", numbers},
        {R"({"type": "MultiLabelMarginLoss"})", {}},
        {R"({"type": "BCELoss"})", yes_no},
        {R"({"type": "BCEWithLogitsLoss"})", yes_no},
        {R"({"type": "MultiLabelSoftMarginLoss"})", yes_no},
        {R"({"type": "HingeEmbeddingLoss"})", {}},  // 1 and -1
        {R"({"type": "SoftMarginLoss"})", {}},
        {R"({"type": "KLDivLoss"})", at_least_0},
        {R"({"type": "PoissonNLLLoss"})", at_least_0},
        {R"({"type": "MSELoss"})", reals},
        {R"({"type": "L1Loss"})", reals},
        {R"({"type": "SmoothL1Loss"})", reals},
        {R"({"type": "HuberLoss"})", reals},
    };
    const Tensor output = torch::full({2, 3}, 0.5);
    const auto use = [&](const char* config, const Tensor& target) {
        make<Loss>(config)->terms(test::batch_of({{"output", output}, {"target", target}}, 2));
    };
    check_takers(table, use);
    for (const std::string type : test::losses) {
        const bool pairs = make<Loss>(concat(R"({"type": ")", type, "\"}"))->inputs() ==
                           std::vector<std::string>{"output", "target"};
        EXPECT_EQ(pairs, std::ranges::any_of(table,
                                             [&](const Taker& taker) {
                                                 return contains(taker.config,
                                                                 concat("\"", type, "\""));
                                             }))
            << type;
    }
}

TEST(Targets, OfEachMetric) {
    const std::set<std::string> classes = {"numbers", "channel", "one-hot", "mixed"};
    const std::set<std::string> any_task = {"numbers", "channel", "one-hot", "mixed", "multi-hot"};
    check_takers(
        {
            {R"({"type": "Accuracy"})", any_task},
            {R"({"type": "Accuracy", "topk": 2})", classes},
            {R"({"type": "Accuracy", "task": "multiclass"})", classes},
            {R"({"type": "Accuracy", "task": "multilabel"})", {"one-hot", "multi-hot"}},
            {R"({"type": "Precision"})", any_task},
            {R"({"type": "Recall"})", any_task},
            {R"({"type": "F1Score"})", any_task},
            {R"({"type": "F1Score", "task": "multiclass"})", classes},
            {R"({"type": "JaccardIndex"})", any_task},
            {R"({"type": "MeanIoU"})", any_task},
            {R"({"type": "DiceScore"})", any_task},
            {R"({"type": "DiceScore", "aggregation_level": "global"})", any_task},
            {R"({"type": "AUROC"})", any_task},
            {R"({"type": "AveragePrecision"})", any_task},
            {R"({"type": "ConfusionMatrix"})", classes},
            {R"({"type": "CohenKappa"})", classes},
            {R"({"type": "CalibrationError"})", classes},
            {R"({"type": "Perplexity"})", {"numbers"}},
            {R"({"type": "MeanAbsoluteError"})", reals},
            {R"({"type": "MeanAbsolutePercentageError"})", reals},
            {R"({"type": "MeanSquaredError"})", reals},
            {R"({"type": "RootMeanSquaredError"})", reals},
            {R"({"type": "R2Score"})", reals},
            {R"({"type": "PearsonCorrCoef"})", reals},
            {R"({"type": "SpearmanCorrCoef"})", reals},
            {R"({"type": "PeakSignalNoiseRatio", "data_range": 1})", reals},
        },
        [](const char* config, const Tensor& target) {
            const auto metric = make<Metric>(config);
            metric->update(torch::tensor({{0.1f, 0.7f, 0.2f}, {0.3f, 0.1f, 0.6f}}), target);
        });
}

/// The same numbers, however their classes stand.
TEST(Targets, OfClassesThatComeLast) {
    torch::manual_seed(4);
    const Tensor output = torch::randn({3, 5, 2, 4}), target = torch::randint(5, {3, 2, 4});
    const Tensor shares = torch::randn({3, 5, 2, 4}).softmax(1);
    const auto last = [](const Tensor& scores) { return scores.movedim(1, -1).contiguous(); };
    for (const std::string rest : {"", R"(, "weight": [1, 2, 3, 4, 5])", R"(, "ignore_index": 2)",
                                   R"(, "reduction": "sum")"})
        for (const std::string type : {"CrossEntropyLoss", "NLLLoss"}) {
            const auto second = make<Loss>(R"({"type": ")" + type + "\"" + rest + "}");
            const auto loss =
                make<Loss>(R"({"type": ")" + type + R"(", "classes_last": true)" + rest + "}");
            const auto value = [&](Loss& of, const Tensor& o, const Tensor& t) {
                const auto batch = test::batch_of({{"output", o}, {"target", t}}, 3);
                return test::value_of(of, {batch}).total.item<double>();
            };
            const double expected = value(*second, output, target);
            EXPECT_NEAR(value(*loss, last(output), target), expected, 1e-5 * std::abs(expected))
                << type << rest;
            EXPECT_NEAR(value(*loss, last(output), target.unsqueeze(-1)), expected,
                        1e-5 * std::abs(expected));
            if (type != "CrossEntropyLoss" || contains(rest, "ignore_index")) continue;
            const double mixed = value(*second, output, shares);
            EXPECT_NEAR(value(*loss, last(output), last(shares)), mixed, 1e-5 * std::abs(mixed))
                << rest;
        }
    const auto second = make<Loss>(R"({"type": "CrossEntropyLoss"})");
    const auto loss = make<Loss>(R"({"type": "CrossEntropyLoss", "classes_last": true})");
    EXPECT_TRUE(contains(error_of([&] { second->forward(last(output), target); }),
                         "It is for classes that come last: set classes_last: true."));
    EXPECT_TRUE(contains(error_of([&] { loss->forward(output, target); }),
                         "It is for classes that come second: leave classes_last out."));
}

TEST(Targets, OfCTCAreClassesButTheBlank) {
    const auto loss = make<Loss>(R"({"type": "CTCLoss"})");
    const Tensor lengths = torch::tensor({2, 1}, at::kLong);
    const std::vector<std::pair<Tensor, std::string>> table = {
        {torch::tensor({{1, 2}, {2, -1}}, at::kLong), ""},  // behind its end anything may stand
        {torch::tensor({1, 2, 2}, at::kLong), ""},
        {torch::tensor({{1, 3}, {2, 0}}, at::kLong), "got 3"},
        {torch::tensor({{1, -7}, {2, 0}}, at::kLong), "got -7"},
        {torch::tensor({{0, 1}, {2, 0}}, at::kLong), "not the blank's (0); got 0"},
        {torch::tensor({1, 2, 5}, at::kLong), "got 5"}};
    for (const auto& [targets, said] : table) {
        const auto batch = test::batch_of({{"log_probs", torch::randn({4, 2, 3}).log_softmax(2)},
                                           {"targets", targets},
                                           {"input_lengths", torch::full({2}, 4, at::kLong)},
                                           {"target_lengths", lengths}},
                                          2);
        const std::string error = error_of([&] { loss->terms(batch); });
        EXPECT_EQ(error.empty(), said.empty()) << error;
        EXPECT_TRUE(contains(error, said)) << error;
    }
}

}  // namespace
}  // namespace ailab
