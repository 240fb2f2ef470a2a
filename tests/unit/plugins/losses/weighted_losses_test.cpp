// Sums of several losses: their weights, their parts' fields, states and parameters.
#include <cmath>

#include "loss_values.hpp"

namespace ailab {
namespace {

using test::contains;
using test::error_of;
using test::make;
using test::value_of;

/// A model with two outputs; 5 samples.
Batch samples() {
    torch::manual_seed(3);
    return test::batch_of({{"logits", torch::randn({5, 3}, at::kDouble).requires_grad_()},
                           {"target", torch::tensor({0, 2, 1, 1, 0}, at::kLong)},
                           {"depth", torch::randn({5, 2}, at::kDouble).requires_grad_()},
                           {"depth_target", torch::randn({5, 2}, at::kDouble)}},
                          5);
}

std::string config(const std::string& type, const std::string& rest) {
    return R"({"type": ")" + type + R"(", "losses": {
        "ce": {"type": "CrossEntropyLoss", "weight": [1, 2, 0.5], "mapping": {"output": "logits"}},
        "l1": {"type": "L1Loss", "mapping": {"pred": "depth", "labels": "depth_target"}}})" +
           rest + "}";
}

double ce(const Batch& batch) {
    return at::cross_entropy_loss(batch.tensor("logits"), batch.tensor("target"),
                                  torch::tensor({1.0, 2.0, 0.5}, at::kDouble))
        .item<double>();
}
double l1(const Batch& batch) {
    return at::l1_loss(batch.tensor("depth"), batch.tensor("depth_target")).item<double>();
}

TEST(WeightedSum, TakesTheFieldsOfItsParts) {
    const auto loss = make<Loss>(config("WeightedLoss", ""));
    EXPECT_EQ(loss->inputs(),
              (std::vector<std::string>{"logits", "target", "depth", "depth_target"}));
    EXPECT_EQ(loss->term_names(), (std::vector<std::string>{"ce", "l1"}));
    EXPECT_TRUE(loss->has_own_weights());
    EXPECT_FALSE(loss->follows_values());
    EXPECT_EQ(loss->parameters().size(), 0u);
}

TEST(WeightedSum, IsTheSumOfItsPartsOverAnySplit) {
    struct Row {
        const char* type;
        const char* rest;
        double ce, l1;
    };
    const std::vector<Row> table = {
        {"WeightedLoss", "", 1, 1},
        {"WeightedLoss", R"(, "weights": {"l1": 0.25})", 1, 0.25},
        {"WeightedLoss", R"(, "weights": {"ce": 2, "l1": 0})", 2, 0},
        {"DynamicWeightedLoss", R"(, "mode": "equal")", 1, 1},
        {"DynamicWeightedLoss", R"(, "mode": "fixed", "weights": {"ce": 3, "l1": 0.5})", 3, 0.5},
        {"DynamicWeightedLoss", R"(, "mode": "fixed")", 1, 1},
        {"DynamicWeightedLoss", "", 0.5, 0.5},  // auto, nothing seen yet
        {"DynamicWeightedLoss", R"(, "mode": "moving_avg")", 0.5, 0.5},
    };
    for (const Row& row : table) {
        Tensor gradient;
        for (const std::vector<int64_t>& cuts : {std::vector<int64_t>{}, {2}, {1, 1, 4}}) {
            const Batch batch = samples();
            const auto loss = make<Loss>(config(row.type, row.rest));
            const Tensor total = value_of(*loss, test::split(batch, cuts)).total;
            EXPECT_NEAR(total.item<double>(), row.ce * ce(batch) + row.l1 * l1(batch), 1e-13)
                << row.type << row.rest;
            total.backward();
            const Tensor& got = batch.tensor("logits").grad();
            if (!gradient.defined()) gradient = got;
            EXPECT_TRUE(at::allclose(got, gradient, 1e-12, 1e-15)) << row.type << row.rest;
        }
    }
}

TEST(WeightedSum, KeepsTheScaleOfASum) {
    const auto loss = make<Loss>(R"({"type": "WeightedLoss", "weights": {"a": 0.5}, "losses": {
        "a": {"type": "MSELoss", "reduction": "sum"}}})");
    const Batch batch =
        test::batch_of({{"output", torch::ones({4, 2})}, {"target", torch::full({4, 2}, 3.0)}}, 4);
    EXPECT_EQ(value_of(*loss, test::split(batch, {1})).total.item<double>(), 0.5 * 8 * 4);
}

/// weight_i = (1 / value_i) / sum of 1 / value.
TEST(AutoWeights, AreTheInverseOfTheLastValues) {
    const auto loss = make<Loss>(config("DynamicWeightedLoss", ""));
    EXPECT_TRUE(loss->follows_values());
    const auto scales = [&] { return value_of(*loss, {samples()}).scales; };
    EXPECT_EQ(scales(), (std::vector<double>{0.5, 0.5}));
    loss->observe({1, 3});
    EXPECT_NEAR(scales()[0], 0.75, 1e-7);
    EXPECT_NEAR(scales()[1], 0.25, 1e-7);
    loss->observe({-4, 1});
    EXPECT_NEAR(scales()[0], 0.2, 1e-7);
    EXPECT_NEAR(scales()[1], 0.8, 1e-7);
    loss->observe({std::nan(""), INFINITY});  // half precision overflowed: nothing was learned
    EXPECT_NEAR(scales()[0], 0.2, 1e-7);
}

TEST(AutoWeights, LeaveOutTheScaleOfAPart) {
    const auto loss = make<Loss>(R"({"type": "DynamicWeightedLoss", "losses": {
        "a": {"type": "MSELoss", "reduction": "sum"}, "b": {"type": "L1Loss"}}})");
    const Batch batch =
        test::batch_of({{"output", torch::ones({4, 2})}, {"target", torch::full({4, 2}, 3.0)}}, 4);
    loss->observe(value_of(*loss, test::split(batch, {1})).terms);
    const test::LossValue value = value_of(*loss, test::split(batch, {1}));
    EXPECT_NEAR(value.scales[0] * value.terms[0], value.scales[1] * value.terms[1], 1e-6);
}

TEST(MovingAverageWeights, AreTheInverseOfTheAverages) {
    const auto loss =
        make<Loss>(config("DynamicWeightedLoss", R"(, "mode": "moving_avg", "alpha": 0.75)"));
    const auto ratio = [](Loss& of) {
        const std::vector<double> scales = value_of(of, {samples()}).scales;
        EXPECT_NEAR(scales[0] + scales[1], 1, 1e-15);
        return scales[0] / scales[1];
    };
    loss->observe({2, 6});
    EXPECT_NEAR(ratio(*loss), 6.0 / 2, 1e-6);
    loss->observe({4, 2});
    const double expected = (0.75 * 6 + 0.25 * 2) / (0.75 * 2 + 0.25 * 4);
    EXPECT_NEAR(ratio(*loss), expected, 1e-6);

    const auto resumed =
        make<Loss>(config("DynamicWeightedLoss", R"(, "mode": "moving_avg", "alpha": 0.75)"));
    resumed->load_state(loss->save_state());
    EXPECT_EQ(ratio(*resumed), ratio(*loss));
    loss->observe({1, 1});
    resumed->observe({1, 1});
    EXPECT_EQ(ratio(*resumed), ratio(*loss));

    EXPECT_EQ(error_of([&] { resumed->load_state({}); }),
              "the checkpoint has the state of another loss than DynamicWeightedLoss");
    const auto other = make<Loss>(R"({"type": "DynamicWeightedLoss", "mode": "moving_avg",
        "losses": {"mse": {"type": "MSELoss"}}})");
    EXPECT_EQ(error_of([&] { other->load_state(loss->save_state()); }),
              "the checkpoint has no state of the loss \"mse\"; its losses must be those of the "
              "configuration");
}

/// uncertainty: exp(-s) L + s; learnable: exp(w) L + log(1 + exp(-w) / 2).
TEST(LearnedWeights, AreParameters) {
    struct Row {
        const char* mode;
        double (*regularizer)(double log_weight);
        double (*slope)(double log_weight);
    };
    const std::vector<Row> table = {
        {"uncertainty", [](double w) { return -w; }, [](double) { return -1.0; }},
        {"learnable", [](double w) { return std::log(1 + std::exp(-w) / 2); },
         [](double w) { return -std::exp(-w) / (2 + std::exp(-w)); }},
    };
    for (const Row& row : table)
        for (const std::vector<int64_t>& cuts : {std::vector<int64_t>{}, {2}, {1, 1, 4}}) {
            const auto loss =
                make<Loss>(config("DynamicWeightedLoss", concat(R"(, "mode": ")", row.mode, "\"")));
            EXPECT_EQ(loss->term_names(), (std::vector<std::string>{"ce", "l1", "regularizer"}));
            const auto parameters = loss->named_parameters();
            ASSERT_EQ(parameters.size(), 1u);
            Tensor log_weights = parameters["log_weights"];
            EXPECT_EQ(log_weights.sizes(), at::IntArrayRef({2}));
            EXPECT_EQ(log_weights.sum().item<double>(), 0);  // weights of 1 to begin with
            loss->to(at::kDouble);
            log_weights = loss->named_parameters()["log_weights"];
            {
                const at::NoGradGuard no_grad;
                log_weights.copy_(torch::tensor({0.5, -1.25}));
            }
            const Batch batch = samples();
            const Tensor total = value_of(*loss, test::split(batch, cuts)).total;
            EXPECT_NEAR(total.item<double>(),
                        std::exp(0.5) * ce(batch) + std::exp(-1.25) * l1(batch) +
                            row.regularizer(0.5) + row.regularizer(-1.25),
                        1e-13)
                << row.mode;
            total.backward();
            EXPECT_NEAR(log_weights.grad()[0].item<double>(),
                        std::exp(0.5) * ce(batch) + row.slope(0.5), 1e-13);
            EXPECT_NEAR(log_weights.grad()[1].item<double>(),
                        std::exp(-1.25) * l1(batch) + row.slope(-1.25), 1e-13);
        }
}

/// At the minimum exp(s) is the loss: no weight falls to 0.
TEST(LearnedWeights, SettleAtTheUncertainty) {
    const auto loss = make<Loss>(R"({"type": "DynamicWeightedLoss", "mode": "uncertainty",
        "losses": {"a": {"type": "L1Loss"}, "b": {"type": "MSELoss"}}})");
    const Batch batch =
        test::batch_of({{"output", torch::ones({4})}, {"target", torch::full({4}, 3.0)}}, 4);
    torch::optim::SGD optimizer(loss->parameters(), 0.1);
    for (int step = 0; step < 300; ++step) {
        optimizer.zero_grad();
        value_of(*loss, {batch}).total.backward();
        optimizer.step();
    }
    const Tensor weights = loss->parameters()[0].detach().exp();
    EXPECT_NEAR(weights[0].item<double>(), 1 / 2.0, 1e-4);
    EXPECT_NEAR(weights[1].item<double>(), 1 / 4.0, 1e-4);
}

TEST(NestedWeightedLosses, BringTheirTermsParametersAndStates) {
    const std::string text = R"({"type": "WeightedLoss", "weights": {"inner": 2}, "losses": {
        "l1": {"type": "L1Loss"},
        "inner": {"type": "DynamicWeightedLoss", "mode": "uncertainty", "losses": {
            "mse": {"type": "MSELoss"}, "balanced": {"type": "WeightedLoss", "losses": {
                "huber": {"type": "HuberLoss"}}}}},
        "other": {"type": "DynamicWeightedLoss", "mode": "moving_avg", "losses": {
            "a": {"type": "MSELoss"}, "b": {"type": "L1Loss"}}}}})";
    const auto loss = make<Loss>(text);
    EXPECT_EQ(loss->term_names(),
              (std::vector<std::string>{"inner.balanced", "inner.mse", "inner.regularizer", "l1",
                                        "other.a", "other.b"}));
    EXPECT_EQ(loss->named_parameters()[0].key(), "inner.log_weights");
    EXPECT_EQ(loss->inputs(), (std::vector<std::string>{"output", "target"}));
    EXPECT_FALSE(loss->has_own_weights());
    EXPECT_TRUE(loss->follows_values());

    const Batch batch =
        test::batch_of({{"output", torch::ones({4})}, {"target", torch::full({4}, 3.0)}}, 4);
    test::LossValue value = value_of(*loss, test::split(batch, {3}));
    EXPECT_EQ(value.terms, (std::vector<double>{1.5, 4, 0, 2, 4, 2}));
    EXPECT_EQ(value.scales, (std::vector<double>{2, 2, 2, 1, 0.5, 0.5}));
    loss->observe(value.terms);
    value = value_of(*loss, {batch});
    EXPECT_NEAR(value.scales[4], 1.0 / 3, 1e-6);
    EXPECT_NEAR(value.scales[5], 2.0 / 3, 1e-6);

    const auto resumed = make<Loss>(text);
    resumed->load_state(loss->save_state());
    EXPECT_EQ(value_of(*resumed, {batch}).scales, value.scales);
}

TEST(NestedWeightedLosses, SayWhichPartFailed) {
    const auto loss = make<Loss>(config("WeightedLoss", ""));
    Batch batch = samples();
    batch.set("depth", torch::ones({5, 3}));
    EXPECT_EQ(error_of([&] { loss->terms(batch); }),
              "loss \"l1\" (L1Loss): output and target must have one shape; got output "
              "[5, 3] and target [5, 2]");
    batch.fields.erase("depth");
    EXPECT_TRUE(contains(error_of([&] { loss->terms(batch); }),
                         "loss \"l1\" (L1Loss) takes \"output\" from field \"depth\", which is not "
                         "there"));
}

TEST(WeightedLossOptions, AreChecked) {
    const std::vector<std::pair<const char*, const char*>> table = {
        {R"({"type": "WeightedLoss"})", "losses"},
        {R"({"type": "WeightedLoss", "losses": {}})",
         "losses must name at least one: losses: {ce: {type: …}}"},
        {R"({"type": "WeightedLoss", "losses": {"a.b": {"type": "L1Loss"}}})",
         "losses: the name \"a.b\" must be a word without dots"},
        {R"({"type": "WeightedLoss", "losses": {"a": {"type": "L1Los"}}})", "L1Loss"},
        {R"({"type": "WeightedLoss", "losses": {"a": {"type": "L1Loss"}}, "weights": {"b": 1}})",
         "weights: there is no loss \"b\"; losses has a"},
        {R"({"type": "WeightedLoss", "losses": {"a": {"type": "L1Loss"}}, "weights": {"a": -1}})",
         "must be at least 0"},
        {R"({"type": "WeightedLoss", "losses": {"a": {"type": "L1Loss",
             "mapping": {"outptu": "x"}}}})",
         "loss \"a\" (L1Loss) has no input \"outptu\" to map; it takes output, target"},
        {R"({"type": "DynamicWeightedLoss", "losses": {"a": {"type": "L1Loss"}}, "mode": "x"})",
         "must be one of equal, fixed, learnable, moving_avg, uncertainty, auto"},
        {R"({"type": "DynamicWeightedLoss", "losses": {"a": {"type": "L1Loss"}},
             "weights": {"a": 1}})",
         "weights are for mode: fixed; this is mode: auto"},
        {R"({"type": "DynamicWeightedLoss", "losses": {"a": {"type": "L1Loss"}}, "mode": "fixed",
             "weights": {"b": 1}})",
         "weights: there is no loss \"b\"; losses has a"},
        {R"({"type": "DynamicWeightedLoss", "losses": {"a": {"type": "L1Loss"}}, "alpha": 1})",
         "must be at least 0, below 1"},
        {R"({"type": "DynamicWeightedLoss", "losses": {"a": {"type": "L1Loss"}}, "eps": 0})",
         "must be above 0"},
        {R"({"type": "DynamicWeightedLoss", "losses": {"regularizer": {"type": "L1Loss"}}})",
         "losses: the name \"regularizer\" is taken"},
        {R"({"type": "DynamicWeightedLoss", "losses": {"a": {"type": "WeightedLoss", "losses": {
             "b": {"type": "L1Loss"}, "c": {"type": "L1Loss"}}}}})",
         "loss \"a\" has 2 terms (a.b, a.c), and mode: auto needs losses of one; name each of them "
         "here instead"},
    };
    for (const auto& [text, complaint] : table) {
        const std::string got = error_of([&, t = text] { make<Loss>(t); });
        EXPECT_TRUE(contains(got, complaint)) << text << ": " << got;
    }
}

}  // namespace
}  // namespace ailab
