// Every loss against PyTorch's numbers (tests/reference/losses.py), over any split of the batch.
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "loss_values.hpp"
#include "plugins/test_device.hpp"

namespace ailab {
namespace {

using nlohmann::json;
using test::make;

json read_cases() {
    const std::string path = AILAB_REFERENCE "/losses.json";
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot read " + path);
    return json::parse(file);
}

struct LossCase {
    explicit LossCase(const json& j) : text(j["config"].dump()), expected(j) {}

    /// Its inputs anew; those with a gradient are leaves.
    Batch batch() const {
        Batch batch;
        for (const auto& [name, input] : expected["inputs"].items()) {
            const auto shape = input["shape"].get<std::vector<int64_t>>();
            Tensor tensor =
                input["integers"]
                    ? torch::tensor(input["data"].get<std::vector<int64_t>>(), at::kLong)
                    : torch::tensor(input["data"].get<std::vector<double>>(), at::kDouble);
            tensor = tensor.reshape(shape).to(test::test_device());
            tensor.requires_grad_(expected["gradients"].contains(name));
            batch.set(name, tensor);
        }
        batch.size = batch.global_size = 6;
        return batch;
    }

    void check(const Tensor& value, const Batch& batch, const std::string& where) const {
        EXPECT_TRUE(near(value.item<double>(), expected["value"])) << text << where;
        value.backward();
        for (const auto& [name, gradient] : expected["gradients"].items()) {
            const Tensor& input = batch.tensor(name);
            ASSERT_TRUE(input.grad().defined()) << text << " by " << name << where;
            const Tensor flat = input.grad().cpu().contiguous();
            ASSERT_EQ(size_t(flat.numel()), gradient.size());
            const auto* got = flat.const_data_ptr<double>();
            for (size_t i = 0; i < gradient.size(); ++i)
                EXPECT_TRUE(near(got[i], gradient[i]))
                    << text << " by " << name << "[" << i << "]" << where << ": " << got[i]
                    << ", not " << gradient[i];
        }
    }

    /// Within 1e-9 of the number, or of 1e-6 where it is smaller.
    static bool near(double got, double expected) {
        return std::abs(got - expected) <= 1e-9 * std::max(std::abs(expected), 1e-6);
    }

    const std::string text;
    const json expected;
};

TEST(LossReference, HoldsEveryLossOfThePlugin) {
    std::map<std::string, int> cases;
    for (const json& j : read_cases()) ++cases[j["config"]["type"]];
    for (const char* loss : test::losses) EXPECT_GE(cases[loss], 2) << loss;
}

TEST(LossReference, GivesPyTorchsValuesAndGradients) {
    for (const json& j : read_cases()) {
        const LossCase c(j);
        const Batch batch = c.batch();
        c.check(test::value_of(*make<Loss>(c.text), {batch}).total, batch, " in one batch");
    }
}

TEST(LossReference, IsTheSameForAnySplit) {
    for (const json& j : read_cases()) {
        if (!j["splits"]) continue;
        const LossCase c(j);
        const auto dims = j["samples"].get<std::map<std::string, int64_t>>();
        for (const std::vector<int64_t>& cuts :
             {std::vector<int64_t>{3}, {1, 1, 4}, {1, 2, 3, 4, 5}}) {
            const Batch batch = c.batch();
            const auto loss = make<Loss>(c.text);
            c.check(test::value_of(*loss, test::split(batch, cuts, dims)).total, batch,
                    " on " + std::to_string(cuts.size() + 1) + " ranks");
        }
    }
}

TEST(LossReference, ForwardIsTheValueToo) {
    int cases = 0;
    for (const json& j : read_cases()) {
        const LossCase c(j);
        const auto loss = make<Loss>(c.text);
        if (loss->inputs() != std::vector<std::string>{"output", "target"}) continue;
        const Batch batch = c.batch();
        c.check(loss->forward(batch.tensor("output"), batch.tensor("target")), batch, " forward()");
        ++cases;
    }
    EXPECT_GT(cases, 50);
}

TEST(LossReference, HoldsInSinglePrecision) {
    for (const json& j : read_cases()) {
        const LossCase c(j);
        Batch batch = c.batch();
        for (auto& entry : batch.fields) {
            Tensor& tensor = std::get<Tensor>(entry.second);
            if (tensor.is_floating_point()) tensor = tensor.detach().to(at::kFloat);
        }
        const double value = test::value_of(*make<Loss>(c.text), {batch}).total.item<double>();
        EXPECT_NEAR(value, double(j["value"]), 1e-5 * std::max(1.0, std::abs(double(j["value"]))))
            << c.text;
    }
}

/// Only weights of its own make the core exchange numbers between ranks.
TEST(LossWeights, AreAskedForOnlyWhereTargetsWeighDifferently) {
    const std::vector<std::pair<const char*, bool>> table = {
        {R"({"type": "CrossEntropyLoss"})", false},
        {R"({"type": "CrossEntropyLoss", "label_smoothing": 0.1})", false},
        {R"({"type": "CrossEntropyLoss", "weight": [1, 2]})", true},
        {R"({"type": "CrossEntropyLoss", "ignore_index": 255})", true},
        {R"({"type": "CrossEntropyLoss", "ignore_index": 255, "reduction": "sum"})", false},
        {R"({"type": "NLLLoss"})", false},
        {R"({"type": "NLLLoss", "weight": [1, 2]})", true},
        {R"({"type": "FocalLoss", "alpha": [1, 2]})", false},
        {R"({"type": "FocalLoss", "ignore_index": 1})", true},
        {R"({"type": "BCELoss", "weight": [1, 2]})", false},
        {R"({"type": "DiceLoss", "ignore_index": 1})", false},
        {R"({"type": "OHEMCrossEntropyLoss"})", true},
        {R"({"type": "CTCLoss"})", false},
    };
    for (const auto& [text, own] : table)
        EXPECT_EQ(make<Loss>(text)->has_own_weights(), own) << text;
}

TEST(IgnoredTargets, MayBeAllThatARankHas) {
    const Tensor scores = torch::rand({4, 3}, at::kDouble);
    const Tensor targets = torch::tensor({1, 1, 0, 2}, at::kLong);
    for (const char* type : {"CrossEntropyLoss", "NLLLoss", "FocalLoss", "OHEMCrossEntropyLoss"}) {
        const auto loss = make<Loss>(concat(R"({"type": ")", type, R"(", "ignore_index": 1})"));
        const Batch all = test::batch_of({{"output", scores}, {"target", targets}}, 4);
        Batch rest =
            test::batch_of({{"output", scores.slice(0, 2)}, {"target", targets.slice(0, 2)}}, 2);
        const double expected = test::value_of(*loss, {rest}).total.item<double>();
        EXPECT_GT(std::abs(expected), 0.01) << type;
        EXPECT_NEAR(test::value_of(*loss, test::split(all, {2})).total.item<double>(), expected,
                    1e-12)
            << type;
    }
}

/// Each rank keeps its own hardest pixels; the mean is over what all have kept.
TEST(OHEM, ChoosesOnEachRank) {
    const Tensor scores = torch::tensor({3.0, 0.0, 2.0, 0.0, 1.0, 0.0, 0.0, 0.0}).reshape({4, 2});
    const Tensor targets = torch::zeros({4}, at::kLong);
    const Batch batch = test::batch_of({{"output", scores}, {"target", targets}}, 4);
    const auto loss = make<Loss>(R"({"type": "OHEMCrossEntropyLoss", "thresh": 5, "min_kept": 1})");
    const auto entropy = [](double margin) { return std::log1p(std::exp(-margin)); };
    EXPECT_NEAR(test::value_of(*loss, {batch}).total.item<double>(), entropy(0), 1e-6);
    EXPECT_NEAR(test::value_of(*loss, test::split(batch, {2})).total.item<double>(),
                (entropy(2) + entropy(0)) / 2, 1e-6);
    const Tensor ignored = torch::full({4}, 255, at::kLong);
    EXPECT_EQ(loss->forward(scores, ignored).item<double>(), 0);
}

TEST(FocalLoss, HasAGradientWhereTheModelIsSure) {
    const Tensor scores = torch::tensor({200.0, 0.0, -200.0, 0.0}).reshape({2, 2}).requires_grad_();
    for (const char* text : {R"({"type": "FocalLoss", "gamma": 0.5})",
                             R"({"type": "FocalLoss", "gamma": 0})", R"({"type": "FocalLoss"})"}) {
        const Tensor value = make<Loss>(text)->forward(scores, torch::tensor({0, 1}, at::kLong));
        value.backward();
        EXPECT_TRUE(scores.grad().isfinite().all().item<bool>()) << text;
    }
}

}  // namespace
}  // namespace ailab
