// Losses against PyTorch's numbers (reference.py), split over ranks, and on wrong input.
#include <gtest/gtest.h>

#include "make_module.hpp"

namespace ailab {
namespace {

using test::error_of;
using test::make;

Tensor scores() {
    return torch::tensor({0.5, -1.0, 2.0, 1.5, 0.25, -0.75, -2.0, 0.0, 1.0, 0.1, 0.2, 0.3},
                         at::kDouble)
        .reshape({4, 3})
        .requires_grad_();
}
Tensor targets() {
    return torch::tensor({2, 0, 1, 2}, at::kLong);
}

Batch slice(const Tensor& output, const Tensor& target, int64_t begin, int64_t end) {
    Batch batch{{"output", output.slice(0, begin, end)}, {"target", target.slice(0, begin, end)}};
    batch.size = end - begin;
    batch.global_size = output.size(0);
    return batch;
}

/// The total as the core makes it of the terms of all ranks: sums over weights, times the scale.
Tensor total(Loss& loss, const std::vector<Batch>& ranks) {
    Tensor sum, weight;
    double scale = 1;
    for (const Batch& batch : ranks) {
        if (batch.size == 0) continue;
        const std::vector<LossTerm> terms = loss.terms(batch);
        EXPECT_EQ(terms.size(), 1u);
        const LossTerm& term = terms[0];
        EXPECT_EQ(term.name, "loss");
        EXPECT_EQ(term.weight.has_value(), loss.has_own_weights());
        const Tensor n = torch::full({}, double(batch.size), at::kDouble);
        const Tensor s = term.is_mean ? term.sum * n : term.sum;
        const Tensor w = term.weight ? *term.weight : n;
        EXPECT_FALSE(w.requires_grad());
        sum = sum.defined() ? sum + s : s;
        weight = weight.defined() ? weight + w : w;
        scale = term.scale;
    }
    return sum / weight * scale;
}

struct Reference {
    const char* name;
    const char* json;
    bool own_weights;
    double value;
    std::vector<double> gradient;  // of the first three scores
};

class CrossEntropy : public testing::TestWithParam<Reference> {};

TEST_P(CrossEntropy, GivesPyTorchsNumbers) {
    const auto loss = make<Loss>(GetParam().json);
    EXPECT_EQ(loss->has_own_weights(), GetParam().own_weights);
    const Tensor plain = loss->forward(scores(), targets());
    EXPECT_NEAR(plain.item<double>(), GetParam().value, 1e-14);
    // The same from any split over ranks, also with one that has no samples.
    for (const auto& cuts :
         {std::vector<int64_t>{0, 4}, {0, 2, 4}, {0, 1, 1, 4}, {0, 1, 2, 3, 4}}) {
        const Tensor x = scores();
        std::vector<Batch> ranks;
        for (size_t i = 0; i + 1 < cuts.size(); ++i)
            ranks.push_back(slice(x, targets(), cuts[i], cuts[i + 1]));
        const Tensor value = total(*loss, ranks);
        value.backward();
        EXPECT_NEAR(value.item<double>(), GetParam().value, 1e-14);
        for (int64_t i = 0; i < 3; ++i)
            EXPECT_NEAR(x.grad()[0][i].item<double>(), GetParam().gradient[size_t(i)], 1e-14);
    }
}

INSTANTIATE_TEST_SUITE_P(
    All, CrossEntropy,
    testing::Values(Reference{"plain",
                              R"({"type": "CrossEntropyLoss"})",
                              false,
                              0.7307347427654529,
                              {0.04382259803500917, 0.009778143317671862, -0.05360074135268103}},
                    Reference{"sum",
                              R"({"type": "CrossEntropyLoss", "reduction": "sum"})",
                              false,
                              2.9229389710618117,
                              {0.1752903921400367, 0.03911257327068745, -0.21440296541072412}},
                    Reference{"weight",
                              R"({"type": "CrossEntropyLoss", "weight": [1.0, 2.0, 0.5]})",
                              true,
                              0.9125810288466994,
                              {0.021911299017504587, 0.004889071658835931, -0.026800370676340515}},
                    Reference{"smoothing",
                              R"({"type": "CrossEntropyLoss", "label_smoothing": 0.1})",
                              false,
                              0.8082347427654528,
                              {0.03548926470167584, 0.0014448099843385291, -0.03693407468601437}},
                    Reference{"ignore",
                              R"({"type": "CrossEntropyLoss", "ignore_index": 1})",
                              true,
                              0.5246422514312085,
                              {0.05843013071334556, 0.013037524423562482, -0.07146765513690803}},
                    Reference{"all",
                              R"({"type": "CrossEntropyLoss", "weight": [1.0, 2.0, 0.5],
                      "label_smoothing": 0.2, "ignore_index": 0})",
                              true,
                              1.2957500075010209,
                              {0.014783527229563297, -0.036187345642854876, 0.021403818413291566}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(CrossEntropyOfPixels, IsTheMeanOverAllOfThem) {
    const Tensor x = scores().reshape({2, 3, 2});
    const Tensor y = targets().reshape({2, 2});
    const auto plain = make<Loss>(R"({"type": "CrossEntropyLoss"})");
    EXPECT_NEAR(total(*plain, {slice(x, y, 0, 2)}).item<double>(), 1.525200522014408, 1e-14);
    EXPECT_NEAR(total(*plain, {slice(x, y, 0, 1), slice(x, y, 1, 2)}).item<double>(),
                1.525200522014408, 1e-14);
    const auto weighted =
        make<Loss>(R"({"type": "CrossEntropyLoss", "weight": [1.0, 2.0, 0.5], "ignore_index": 0})");
    EXPECT_NEAR(total(*weighted, {slice(x, y, 0, 1), slice(x, y, 1, 2)}).item<double>(),
                0.7739319975191781, 1e-14);
}

TEST(CrossEntropyInput, ThatIsWrongIsRefused) {
    struct Case {
        const char* options;
        Tensor output, target;
        std::string complaint;
    };
    const Tensor y = torch::tensor({0, 1}, at::kLong);
    const std::vector<Case> table = {
        {"", torch::rand({2, 3}), y, ""},
        {"", torch::rand({2}), y,
         "CrossEntropyLoss: output must be [N, classes, …], one score a class. Got output [2] and "
         "target [2]."},
        {"", torch::rand({2, 3}), torch::rand({2, 3}),
         "CrossEntropyLoss: target must hold class numbers (int64), got Float. Got output [2, 3] "
         "and target [2, 3]."},
        {"", torch::rand({2, 3}), torch::zeros({3}, at::kLong),
         "CrossEntropyLoss: target must have the shape [2], that of output without its classes. "
         "Got output [2, 3] and target [3]."},
        {"", torch::rand({2, 3, 4, 4}), torch::zeros({2, 4}, at::kLong),
         "CrossEntropyLoss: target must have the shape [2, 4, 4], that of output without its "
         "classes. Got output [2, 3, 4, 4] and target [2, 4]."},
        {R"(, "weight": [1, 2])", torch::rand({2, 3}), y,
         "CrossEntropyLoss: weight has 2 numbers, but the model's output has 3 classes; give one "
         "weight a class. Got output [2, 3] and target [2]."},
        {"", torch::rand({2, 3}), torch::tensor({0, 3}, at::kLong),
         "CrossEntropyLoss: a target is 3, outside of the classes 0 … 2 of the model's output. "
         "Check the labels of the data set and the model's number of classes, or set "
         "ignore_index."},
        {"", torch::rand({2, 3}), torch::tensor({0, -100}, at::kLong),
         "CrossEntropyLoss: a target is -100, outside of the classes 0 … 2 of the model's output. "
         "Check the labels of the data set and the model's number of classes, or set "
         "ignore_index."},
        {R"(, "ignore_index": -100)", torch::rand({2, 3}), torch::tensor({0, -100}, at::kLong), ""},
        {R"(, "weight": [1, 2, 3])", torch::rand({2, 3}), torch::tensor({0, 7}, at::kLong),
         "CrossEntropyLoss: a target is 7, outside of the classes 0 … 2 of the model's output. "
         "Check the labels of the data set and the model's number of classes, or set "
         "ignore_index."},
    };
    for (const Case& c : table) {
        const auto loss =
            make<Loss>(R"({"type": "CrossEntropyLoss")" + std::string(c.options) + "}");
        Batch batch{{"output", c.output}, {"target", c.target}};
        batch.size = batch.global_size = 2;
        EXPECT_EQ(error_of([&] { loss->terms(batch); }), c.complaint);
        EXPECT_EQ(error_of([&] { loss->forward(c.output, c.target); }), c.complaint);
    }
    EXPECT_THROW(make<Loss>(R"({"type": "CrossEntropyLoss", "reduction": "none"})"), ConfigError);
}

TEST(ElementwiseLosses, CompareNumberByNumber) {
    const Tensor x = torch::tensor({1.0, 2.0, 4.0, -1.0}).reshape({2, 2});
    const Tensor y = torch::tensor({0.0, 2.0, 1.0, 1.0}).reshape({2, 2});
    const std::vector<std::pair<const char*, double>> table = {
        {R"({"type": "MSELoss"})", 14.0 / 4},
        {R"({"type": "MSELoss", "reduction": "sum"})", 14.0},
        {R"({"type": "L1Loss"})", 6.0 / 4},
        {R"({"type": "L1Loss", "reduction": "sum"})", 6.0},
    };
    for (const auto& [json, value] : table) {
        const auto loss = make<Loss>(json);
        EXPECT_FALSE(loss->has_own_weights());
        EXPECT_NEAR(loss->forward(x, y).item<double>(), value, 1e-6) << json;
        EXPECT_NEAR(total(*loss, {slice(x, y, 0, 1), slice(x, y, 1, 2)}).item<double>(), value,
                    1e-6)
            << json;
    }
}

TEST(ElementwiseLosses, FitShapesThatMeanTheSame) {
    const auto loss = make<Loss>(R"({"type": "MSELoss"})");
    const Tensor x = torch::tensor({1.0, 2.0, 4.0});
    const Tensor y = torch::tensor({1, 2, 1}, at::kLong);
    EXPECT_EQ(loss->forward(x.reshape({3, 1}), y).item<double>(), 3);
    EXPECT_EQ(loss->forward(x, y.reshape({3, 1})).item<double>(), 3);
    EXPECT_EQ(
        error_of([&] {
            loss->forward(x.reshape({3, 1}), torch::rand({3, 2}));
        }),
        "MSELoss: output and target must have one shape; got output [3, 1] and target [3, 2]");
    EXPECT_EQ(
        error_of([&] {
            loss->forward(torch::rand({2, 3}), torch::rand({3, 2}));
        }),
        "MSELoss: output and target must have one shape; got output [2, 3] and target [3, 2]");
}

}  // namespace
}  // namespace ailab
