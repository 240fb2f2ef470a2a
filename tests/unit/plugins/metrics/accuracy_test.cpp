#include <gtest/gtest.h>

#include <cmath>

#include "plugins/make_module.hpp"

namespace ailab {
namespace {

using test::error_of;
using test::make;

double value(Metric& metric) {
    const auto results = metric.compute(metric.states());
    EXPECT_EQ(results.size(), 1u);
    return results.at("");
}

TEST(Accuracy, CountsTheHighestScores) {
    const Tensor output = torch::tensor({0.1, 0.5, 0.4, 0.0,  //
                                         0.9, 0.5, 0.4, 0.0,  //
                                         0.1, 0.2, 0.3, 0.4,  //
                                         0.4, 0.3, 0.2, 0.1})
                              .reshape({4, 4});
    const Tensor target = torch::tensor({1, 2, 2, 3}, at::kLong);
    const std::vector<std::pair<int, double>> table = {{1, 25}, {2, 50}, {3, 75}, {4, 100}};
    for (const auto& [topk, expected] : table) {
        const auto metric =
            make<Metric>(R"({"type": "Accuracy", "topk": )" + std::to_string(topk) + "}");
        metric->update(output, target);
        EXPECT_EQ(value(*metric), expected) << "top " << topk;
        // In pieces, the same counts.
        metric->reset();
        for (int64_t i = 0; i < 4; ++i)
            metric->update(output.slice(0, i, i + 1), target.slice(0, i, i + 1));
        EXPECT_EQ(value(*metric), expected) << "top " << topk;
        EXPECT_EQ(metric->states().at("total").item<int64_t>(), 4);
        EXPECT_EQ(metric->states().at("total").scalar_type(), at::kLong);
    }
}

TEST(Accuracy, IsNotFooledByTies) {
    // A dead model gives every class the same score, or NaN: right in one of ten at most.
    for (const double score : {0.0, std::nan("")})
        for (int topk : {1, 5}) {
            const auto metric =
                make<Metric>(R"({"type": "Accuracy", "topk": )" + std::to_string(topk) + "}");
            metric->update(torch::full({100, 10}, score), torch::arange(100) % 10);
            EXPECT_EQ(value(*metric), 10 * topk);
        }
}

TEST(Accuracy, CountsTheSameInEachMemoryOrder) {
    // What is contiguous is counted by a loop of its own, the rest by ATen.
    torch::manual_seed(1);
    const Tensor distinct = torch::randn({200, 7});
    Tensor ties = torch::randint(3, {200, 7}).to(at::kFloat);
    ties.masked_fill_(torch::rand({200, 7}) < 0.1, std::nan(""));
    Tensor target = torch::randint(7, {200}, at::kLong);
    target[3] = target[4] = -1;
    for (const at::ScalarType type : {at::kFloat, at::kDouble})
        for (const auto& [scores, topk] :
             {std::pair(distinct, 1), std::pair(distinct, 3), std::pair(distinct, 7),
              std::pair(ties, 1), std::pair(ties, 3)}) {
            const std::string config =
                R"({"type": "Accuracy", "ignore_index": -1, "topk": )" + std::to_string(topk) + "}";
            const auto loop = make<Metric>(config), aten = make<Metric>(config);
            const Tensor rows = scores.to(type);
            loop->update(rows, target);
            aten->update(rows.t().contiguous().t(), target);
            EXPECT_EQ(value(*loop), value(*aten)) << config;
        }
}

TEST(Accuracy, OfNothingIsUnknown) {
    EXPECT_TRUE(std::isnan(value(*make<Metric>(R"({"type": "Accuracy"})"))));
}

TEST(Accuracy, OfMoreThanThereAreClassesIsAlwaysRight) {
    const auto metric = make<Metric>(R"({"type": "Accuracy", "topk": 5})");
    metric->update(torch::rand({4, 3}), torch::tensor({0, 1, 2, 2}, at::kLong));
    EXPECT_EQ(value(*metric), 100);
}

TEST(Accuracy, RefusesWrongShapes) {
    const auto metric = make<Metric>(R"({"type": "Accuracy"})");
    const std::string expected =
        "Accuracy (task: auto): expected output [N, classes, …] and target [N, …] of class "
        "numbers, or output and target of one shape (numbers of classes, or scores and 0 or 1, or "
        "scores and probabilities of the classes); got output ";
    const auto whole = [](at::IntArrayRef shape) { return torch::zeros(shape, at::kLong); };
    const std::vector<std::tuple<Tensor, Tensor, std::string>> table = {
        {torch::rand({4}), whole({3}), "[4] Float and target [3] Long"},
        {torch::rand({4, 2}), whole({3}), "[4, 2] Float and target [3] Long"},
        {torch::rand({4, 2}), torch::rand({4}), "[4, 2] Float and target [4] Float"},
        {torch::rand({4, 2, 3}), whole({4, 2}),
         "[4, 2, 3] Float and target [4, 2] Long. If the classes come last, set classes_last: "
         "true"},
        {torch::rand({4}), torch::rand({4, 3}), "[4] Float and target [4, 3] Float"}};
    for (const auto& [output, target, said] : table)
        EXPECT_EQ(
            error_of([&, &output = output, &target = target] { metric->update(output, target); }),
            expected + said);
}

}  // namespace
}  // namespace ailab
