// What losses accept, and what they say to the rest.
#include "loss_values.hpp"

namespace ailab {
namespace {

using test::contains;
using test::error_of;
using test::make;

struct InputCase {
    const char* config;
    std::vector<std::pair<std::string, Tensor>> inputs;
    std::string complaint;  // "" where it is accepted; "Got *." stands for the inputs described
};

std::string with_inputs(std::string complaint, const Batch& batch) {
    const size_t star = complaint.find("Got *.");
    return star == std::string::npos
               ? complaint
               : complaint.replace(star, 6, concat("Got ", batch.describe(), "."));
}

void check(const std::vector<InputCase>& table) {
    for (const InputCase& c : table) {
        const auto loss = make<Loss>(c.config);
        Batch batch;
        for (const auto& [name, tensor] : c.inputs) batch.set(name, tensor);
        batch.size = batch.global_size = 2;
        const std::string complaint = with_inputs(c.complaint, batch);
        EXPECT_EQ(error_of([&] { loss->terms(batch); }), complaint) << c.config;
        if (loss->inputs() == std::vector<std::string>{"output", "target"})
            EXPECT_EQ(
                error_of([&] { loss->forward(batch.tensor("output"), batch.tensor("target")); }),
                complaint)
                << c.config;
    }
}

Tensor floats(at::IntArrayRef shape) {
    return torch::full(shape, 0.5);
}
Tensor classes(at::IntArrayRef shape, int64_t value = 0) {
    return torch::full(shape, value, at::kLong);
}
Tensor ones(at::IntArrayRef shape) {
    return torch::ones(shape);
}
std::vector<std::pair<std::string, Tensor>> pair(const Tensor& output, const Tensor& target) {
    return {{"output", output}, {"target", target}};
}

TEST(LossesOfClassNumbers, CheckTheirInputs) {
    const Tensor y = torch::tensor({0, 1}, at::kLong);
    const std::string outside =
        ", outside of the classes 0 … 2 of the model's output. Check the labels of the data set "
        "and "
        "the model's number of classes, or set ignore_index.";
    check({
        {R"({"type": "CrossEntropyLoss"})", pair(floats({2, 3}), y), ""},
        {R"({"type": "CrossEntropyLoss"})", pair(floats({2, 3}), y.to(at::kInt)), ""},
        {R"({"type": "CrossEntropyLoss"})", pair(floats({2, 3}), y.to(at::kByte)), ""},
        {R"({"type": "CrossEntropyLoss"})", pair(floats({2, 3, 4, 4}), classes({2, 4, 4})), ""},
        {R"({"type": "CrossEntropyLoss"})", pair(floats({2, 3}), floats({2, 3})), ""},
        {R"({"type": "CrossEntropyLoss"})", pair(floats({2}), y),
         "CrossEntropyLoss: output must be [N, classes, …], one score a class. Got output [2] and "
         "target [2]."},
        {R"({"type": "CrossEntropyLoss"})", pair(floats({2, 3}), floats({2, 5})),
         "CrossEntropyLoss: the output has 3 classes, and the targets, shares of the classes, have "
         "5. Where Mixup or CutMix has made them, set its num_classes to 3. Got output [2, 3] and "
         "target [2, 5]."},
        {R"({"type": "CrossEntropyLoss"})", pair(floats({2, 3}), floats({2})),
         "CrossEntropyLoss: target must hold class numbers (int64), got Float. Got output [2, 3] "
         "and target [2]."},
        {R"({"type": "CrossEntropyLoss", "ignore_index": 0})", pair(floats({2, 3}), floats({2, 3})),
         "CrossEntropyLoss: ignore_index is for targets that are class numbers; these are "
         "probabilities. Got output [2, 3] and target [2, 3]."},
        {R"({"type": "CrossEntropyLoss"})", pair(floats({2, 3}), classes({3})),
         "CrossEntropyLoss: target must have the shape [2], that of output without its classes. "
         "Got output [2, 3] and target [3]."},
        {R"({"type": "CrossEntropyLoss"})", pair(floats({2, 3, 4, 4}), classes({2, 4})),
         "CrossEntropyLoss: target must have the shape [2, 4, 4], that of output without its "
         "classes. Got output [2, 3, 4, 4] and target [2, 4]."},
        {R"({"type": "CrossEntropyLoss", "weight": [1, 2]})", pair(floats({2, 3}), y),
         "CrossEntropyLoss: weight has 2 numbers, but the model's output has 3 classes; give one a "
         "class. Got output [2, 3]."},
        {R"({"type": "CrossEntropyLoss"})", pair(floats({2, 3}), classes({2}, 3)),
         "CrossEntropyLoss: a target is 3" + outside},
        {R"({"type": "CrossEntropyLoss"})", pair(floats({2, 3}), classes({2}, -100)),
         "CrossEntropyLoss: a target is -100" + outside},
        {R"({"type": "CrossEntropyLoss", "ignore_index": -100})",
         pair(floats({2, 3}), torch::tensor({0, -100}, at::kLong)), ""},
        {R"({"type": "CrossEntropyLoss", "ignore_index": 255})",
         pair(floats({2, 3}), torch::tensor({0, 255}, at::kByte)), ""},
        {R"({"type": "CrossEntropyLoss", "weight": [1, 2, 3]})",
         pair(floats({2, 3}), classes({2}, 7)), "CrossEntropyLoss: a target is 7" + outside},
        {R"({"type": "NLLLoss"})", pair(floats({2, 3}), floats({2, 3})),
         "NLLLoss: target must hold class numbers (int64), got Float. Got output [2, 3] and target "
         "[2, 3]."},
        {R"({"type": "NLLLoss", "weight": [1]})", pair(floats({2, 3}), y),
         "NLLLoss: weight has 1 numbers, but the model's output has 3 classes; give one a class. "
         "Got output [2, 3]."},
        {R"({"type": "NLLLoss"})", pair(floats({2, 3}), classes({2}, 3)),
         "NLLLoss: a target is 3" + outside},
        {R"({"type": "FocalLoss"})", pair(floats({2, 3}), classes({2}, 3)),
         "FocalLoss: a target is 3" + outside},
        {R"({"type": "FocalLoss", "alpha": [1, 2]})", pair(floats({2, 3}), y),
         "FocalLoss: alpha has 2 numbers, but the model's output has 3 classes; give one a class. "
         "Got output [2, 3]."},
        {R"({"type": "FocalLoss"})", pair(floats({2, 3}), floats({2, 3})),
         "FocalLoss: target must hold class numbers (int64), got Float. Got output [2, 3] and "
         "target [2, 3]."},
        {R"({"type": "FocalLoss", "activation": "sigmoid"})", pair(floats({2, 1}), y), ""},
        {R"({"type": "FocalLoss", "activation": "sigmoid"})", pair(floats({2, 3}), y),
         "FocalLoss: output and target must have one shape; got output [2, 3] and target [2]"},
        {R"({"type": "DiceLoss"})", pair(floats({2, 3, 4}), classes({2, 4})), ""},
        {R"({"type": "DiceLoss", "ignore_index": 255})",
         pair(floats({2, 3, 4}), classes({2, 4}, 255)), ""},
        {R"({"type": "DiceLoss"})", pair(floats({2, 3, 4}), classes({2, 4}, 3)),
         "DiceLoss: a target is 3" + outside},
        {R"({"type": "DiceLoss"})", pair(floats({2, 3, 4}), classes({2, 3})),
         "DiceLoss: target must have the shape [2, 4], that of output without its classes. Got "
         "output [2, 3, 4] and target [2, 3]."},
        {R"({"type": "DiceLoss", "activation": "sigmoid"})",
         pair(floats({2, 1, 4}), classes({2, 4})), ""},
        {R"({"type": "DiceLoss", "activation": "sigmoid"})",
         pair(floats({2, 3, 4}), floats({2, 4})),
         "DiceLoss: output and target must have one shape; got output [2, 3, 4] and target [2, 4]"},
        {R"({"type": "DiceLoss", "activation": "sigmoid"})", pair(floats({2}), floats({2})),
         "DiceLoss: output must be [N, classes, …]. Got output [2] and target [2]."},
        {R"({"type": "OHEMCrossEntropyLoss"})", pair(floats({2, 3, 4}), classes({2, 4}, 3)),
         "OHEMCrossEntropyLoss: a target is 3" + outside},
        {R"({"type": "OHEMCrossEntropyLoss"})", pair(floats({2, 3, 4}), classes({2, 3})),
         "OHEMCrossEntropyLoss: target must have the shape [2, 4], that of output without its "
         "classes. Got output [2, 3, 4] and target [2, 3]."},
        {R"({"type": "MultiMarginLoss"})", pair(floats({2, 3}), y), ""},
        {R"({"type": "MultiMarginLoss"})", pair(floats({2, 3, 4}), y),
         "MultiMarginLoss: output must be [N, classes], one score a class. Got output [2, 3, 4] "
         "and target [2]."},
        {R"({"type": "MultiMarginLoss"})", pair(floats({2, 3}), classes({2}, 3)),
         "MultiMarginLoss: a target is 3, outside of the classes 0 … 2 of the model's output. "
         "Check "
         "the labels of the data set and the model's number of classes."},
        {R"({"type": "MultiMarginLoss", "weight": [1]})", pair(floats({2, 3}), y),
         "MultiMarginLoss: weight has 1 numbers, but the model's output has 3 classes; give one a "
         "class. Got output [2, 3]."},
        {R"({"type": "MultiLabelMarginLoss"})", pair(floats({2, 3}), classes({2, 3}, -1)), ""},
        {R"({"type": "MultiLabelMarginLoss"})", pair(floats({2, 3}), y),
         "MultiLabelMarginLoss: output and target must have one shape. Got *."},
        {R"({"type": "MultiLabelMarginLoss"})", pair(floats({2, 3}), floats({2, 3})),
         "MultiLabelMarginLoss: target must hold class numbers (int64), ended by -1. Got *."},
        {R"({"type": "MultiLabelMarginLoss"})", pair(floats({2, 3}), classes({2, 3}, 3)),
         "MultiLabelMarginLoss: argument #2 'target' is out of range. Got *."},
    });
}

/// [N, 1] and [N] mean the same; other shapes are not broadcast.
TEST(LossesNumberByNumber, FitShapesThatMeanTheSame) {
    for (const char* type :
         {"MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "KLDivLoss", "PoissonNLLLoss",
          "BCELoss", "BCEWithLogitsLoss", "HingeEmbeddingLoss", "SoftMarginLoss"}) {
        const std::string config = concat(R"({"type": ")", type, R"("})");
        const auto loss = make<Loss>(config);
        const Tensor x = torch::tensor({0.25, 0.5, 0.75}), y = torch::tensor({1, 1, 1}, at::kLong);
        const double value = loss->forward(x, y).item<double>();
        EXPECT_EQ(loss->forward(x.reshape({3, 1}), y).item<double>(), value) << type;
        EXPECT_EQ(loss->forward(x, y.reshape({3, 1})).item<double>(), value) << type;
        const std::vector<std::pair<Tensor, Tensor>> unfit = {{floats({3, 1}), ones({3, 2})},
                                                              {floats({2, 3}), ones({3, 2})},
                                                              {floats({3}), ones({1})},
                                                              {floats({2, 3}), ones({3})}};
        for (const auto& p : unfit)
            EXPECT_EQ(
                error_of([&] { loss->forward(p.first, p.second); }),
                concat(type, ": output and target must have one shape; got output ",
                       c10::str(p.first.sizes()), " and target ", c10::str(p.second.sizes())));
    }
}

TEST(LossesNumberByNumber, CheckTheirInputs) {
    check({
        {R"({"type": "BCELoss"})", pair(floats({2, 3}), 3 * ones({2, 3})),
         "BCELoss: target must be probabilities, 0 to 1; got 3. For scores without a sigmoid take "
         "BCEWithLogitsLoss."},
        {R"({"type": "BCELoss"})", pair(-4 * floats({2, 3}), ones({2, 3})),
         "BCELoss: output must be probabilities, 0 to 1; got -2. For scores without a sigmoid take "
         "BCEWithLogitsLoss."},
        {R"({"type": "BCELoss", "weight": [2]})", pair(floats({2}), ones({2})), ""},
        {R"({"type": "BCELoss", "weight": [2]})", pair(floats({2, 1}), ones({2})), ""},
        {R"({"type": "BCELoss", "weight": [1, 2]})", pair(floats({2, 3}), ones({2, 3})),
         "BCELoss: weight has 2 numbers, but the model's output has 3 classes; give one a class. "
         "Got output [2, 3]."},
        {R"({"type": "BCEWithLogitsLoss", "pos_weight": [1, 2]})",
         pair(floats({2, 3}), ones({2, 3})),
         "BCEWithLogitsLoss: pos_weight has 2 numbers, but the model's output has 3 classes; give "
         "one a class. Got output [2, 3]."},
        {R"({"type": "MultiLabelSoftMarginLoss"})", pair(floats({2}), ones({2})),
         "MultiLabelSoftMarginLoss: output must be [N, classes]; got [2]"},
        {R"({"type": "HingeEmbeddingLoss"})", pair(floats({2}), classes({2})),
         "HingeEmbeddingLoss: targets must be 1 or -1, got 0."},
        {R"({"type": "SoftMarginLoss"})", pair(floats({2}), classes({2})),
         "SoftMarginLoss: targets must be 1 or -1, got 0."},
    });
}

TEST(LossesOfSeveralInputs, CheckThem) {
    const auto ranking = [](const Tensor& a, const Tensor& b, const Tensor& target) {
        return std::vector<std::pair<std::string, Tensor>>{
            {"input1", a}, {"input2", b}, {"target", target}};
    };
    const auto normal = [](const Tensor& output, const Tensor& target, const Tensor& var) {
        return std::vector<std::pair<std::string, Tensor>>{
            {"output", output}, {"target", target}, {"var", var}};
    };
    const auto triplet = [](const Tensor& a, const Tensor& p, const Tensor& n) {
        return std::vector<std::pair<std::string, Tensor>>{
            {"anchor", a}, {"positive", p}, {"negative", n}};
    };
    const auto sequences = [](const Tensor& log_probs, const Tensor& targets, const Tensor& in,
                              const Tensor& out) {
        return std::vector<std::pair<std::string, Tensor>>{{"log_probs", log_probs},
                                                           {"targets", targets},
                                                           {"input_lengths", in},
                                                           {"target_lengths", out}};
    };
    check({
        {R"({"type": "MarginRankingLoss"})", ranking(floats({2}), floats({2}), ones({2})), ""},
        {R"({"type": "MarginRankingLoss"})", ranking(floats({2, 1}), floats({2}), ones({2})), ""},
        {R"({"type": "MarginRankingLoss"})", ranking(floats({2}), floats({3}), ones({2})),
         "MarginRankingLoss: input1 and input2 must have one shape; got input1 [2] and input2 [3]"},
        {R"({"type": "MarginRankingLoss"})", ranking(floats({2}), floats({2}), ones({3})),
         "MarginRankingLoss: input1 and target must have one shape; got input1 [2] and target [3]"},
        {R"({"type": "MarginRankingLoss"})", ranking(floats({2}), floats({2}), classes({2})),
         "MarginRankingLoss: targets must be 1 or -1, got 0."},
        {R"({"type": "CosineEmbeddingLoss"})", ranking(floats({2, 3}), floats({2, 3}), ones({2})),
         ""},
        {R"({"type": "CosineEmbeddingLoss"})", ranking(floats({2, 3}), floats({2, 4}), ones({2})),
         "CosineEmbeddingLoss: input1 and input2 must have one shape. Got *."},
        {R"({"type": "CosineEmbeddingLoss"})", ranking(floats({2, 3}), floats({2, 3}), ones({3})),
         "CosineEmbeddingLoss: input1 and input2 must be [N, features] and target [N] of 1 and -1. "
         "Got *."},
        {R"({"type": "CosineEmbeddingLoss"})",
         ranking(floats({2, 3}), floats({2, 3}), classes({2})),
         "CosineEmbeddingLoss: targets must be 1 or -1, got 0."},
        {R"({"type": "GaussianNLLLoss"})", normal(floats({2}), ones({2, 1}), ones({2})), ""},
        {R"({"type": "GaussianNLLLoss"})", normal(floats({2, 3}), ones({2}), ones({2})),
         "GaussianNLLLoss: output and target must have one shape; got output [2, 3] and target "
         "[2]"},
        {R"({"type": "GaussianNLLLoss"})", normal(floats({2, 3}), ones({2, 3}), ones({3})),
         "GaussianNLLLoss: var must have the shape of output, or that without the last dimension. "
         "Got *."},
        {R"({"type": "GaussianNLLLoss"})", normal(floats({2}), ones({2}), -ones({2})),
         "GaussianNLLLoss: var must not be negative; let the model predict it through softplus or "
         "exp. Got *."},
        {R"({"type": "TripletMarginLoss"})",
         triplet(floats({2, 3}), floats({2, 3}), floats({2, 4})),
         "TripletMarginLoss: anchor and positive and negative must have one shape. Got *."},
        {R"({"type": "TripletMarginWithDistanceLoss"})",
         triplet(floats({2}), floats({2}), floats({2})),
         "TripletMarginWithDistanceLoss: anchor must be [N, …, features]. Got *."},
        {R"({"type": "CTCLoss"})",
         sequences(floats({5, 2, 3}), classes({2, 3}, 1), classes({2}, 5), classes({2}, 2)), ""},
        {R"({"type": "CTCLoss"})",
         sequences(floats({5, 2, 3}), classes({4}, 1), classes({2}, 5), classes({2}, 2)), ""},
        {R"({"type": "CTCLoss"})",
         sequences(floats({5, 2}), classes({2, 3}, 1), classes({2}, 5), classes({2}, 2)),
         "CTCLoss: log_probs must be [T, N, classes], or [N, T, classes] with batch_first: true. "
         "Got *."},
        {R"({"type": "CTCLoss"})",
         sequences(floats({2, 5, 3}), classes({2, 3}, 1), classes({2}, 5), classes({2}, 2)),
         "CTCLoss: input_lengths must be [N] integers, N = 5 as in log_probs (its dimension 1). "
         "Got *."},
        {R"({"type": "CTCLoss", "batch_first": true})",
         sequences(floats({2, 5, 3}), classes({2, 3}, 1), classes({2}, 5), classes({2}, 2)), ""},
        {R"({"type": "CTCLoss"})",
         sequences(floats({5, 2, 3}), classes({2, 3}, 1), classes({2}, 5), floats({2})),
         "CTCLoss: target_lengths must be [N] integers, N = 2 as in log_probs (its dimension 1). "
         "Got *."},
        {R"({"type": "CTCLoss"})",
         sequences(floats({5, 2, 3}), classes({3, 3}, 1), classes({2}, 5), classes({2}, 2)),
         "CTCLoss: targets must be [N, longest target], N = 2 as in log_probs, or all of them one "
         "after the other. Got *."},
        {R"({"type": "CTCLoss", "blank": 3})",
         sequences(floats({5, 2, 3}), classes({2, 3}, 1), classes({2}, 5), classes({2}, 2)),
         "CTCLoss: blank is 3, but log_probs has 3 classes. Got *."},
    });
    // LibTorch's own complaint, with the shapes.
    const auto loss = make<Loss>(R"({"type": "CTCLoss"})");
    Batch batch;
    for (const auto& [name, tensor] :
         sequences(floats({5, 2, 3}), classes({2, 3}, 1), classes({2}, 6), classes({2}, 2)))
        batch.set(name, tensor);
    const std::string complaint = error_of([&] { loss->terms(batch); });
    EXPECT_TRUE(contains(complaint, "CTCLoss: Expected input_lengths")) << complaint;
    EXPECT_TRUE(contains(complaint, batch.describe())) << complaint;
}

TEST(LossOptions, AreBounded) {
    const std::vector<std::pair<const char*, const char*>> table = {
        {R"({"type": "CrossEntropyLoss", "label_smoothing": 1.5})", "must be between 0 and 1"},
        {R"({"type": "CrossEntropyLoss", "weight": [-1, 2]})", "must be at least 0"},
        {R"({"type": "SmoothL1Loss", "beta": -1})", "must be at least 0"},
        {R"({"type": "HuberLoss", "delta": 0})", "must be above 0"},
        {R"({"type": "PoissonNLLLoss", "eps": 0})", "must be above 0"},
        {R"({"type": "GaussianNLLLoss", "eps": 0})", "must be above 0"},
        {R"({"type": "MultiMarginLoss", "p": 3})", "must be between 1 and 2"},
        {R"({"type": "CosineEmbeddingLoss", "margin": 2})", "must be between -1 and 1"},
        {R"({"type": "TripletMarginLoss", "margin": 0})", "must be above 0"},
        {R"({"type": "TripletMarginLoss", "p": 0})", "must be above 0"},
        {R"({"type": "TripletMarginWithDistanceLoss", "distance_function": "euclid"})",
         "must be one of pairwise_distance, squared_distance, cosine_distance"},
        {R"({"type": "CTCLoss", "blank": -1})", "must be between 0 and 1000000000"},
        {R"({"type": "DiceLoss", "smooth": 0})", "must be above 0"},
        {R"({"type": "OHEMCrossEntropyLoss", "min_kept": 0})",
         "must be between 1 and 1000000000000"},
        {R"({"type": "FocalLoss", "gamma": -1})", "must be at least 0"},
        {R"({"type": "FocalLoss", "alpha": "x"})", "must be a number, got"},
        {R"({"type": "FocalLoss", "alpha": -1})", "alpha must be at least 0"},
        {R"({"type": "FocalLoss", "alpha": [1, -2]})", "must be at least -1"},
        {R"({"type": "FocalLoss", "activation": "sigmoid", "alpha": [0.1, 0.2]})",
         "alpha is one number, 0 to 1 or -1, with activation: sigmoid"},
        {R"({"type": "FocalLoss", "activation": "sigmoid", "alpha": 1.5})",
         "alpha is one number, 0 to 1 or -1, with activation: sigmoid"},
        {R"({"type": "FocalLoss", "activation": "sigmoid", "ignore_index": 1})",
         "ignore_index is for activation: softmax"},
    };
    for (const auto& [config, complaint] : table) {
        const std::string got = error_of([&, text = config] { make<Loss>(text); });
        EXPECT_TRUE(contains(got, complaint)) << config << ": " << got;
    }
}

/// A loss without a reduction is no scalar: there is nothing to train on.
TEST(LossOptions, HaveNoReductionNone) {
    for (const std::string type : test::losses) {
        if (type == "OHEMCrossEntropyLoss") continue;  // always the mean of what it keeps
        const std::string got = error_of(
            [&] { make<Loss>(concat(R"({"type": ")", type, R"(", "reduction": "none"})")); });
        EXPECT_TRUE(contains(got, "reduction must be one of mean, ")) << got;
        EXPECT_TRUE(contains(got, "got \"none\"")) << got;
    }
}

}  // namespace
}  // namespace ailab
