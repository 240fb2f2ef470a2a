// What is said of samples, by the outputs' meaning.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/distributed/thread_comm.hpp"
#include "plugins/make_module.hpp"

namespace ailab {
namespace {

using test::make;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

Batch outputs(BatchField output, int64_t size) {
    Batch batch{{"output", std::move(output)}};
    batch.size = batch.global_size = size;
    for (int64_t i = 0; i < size; ++i) batch.ids.push_back(10 + i);
    return batch;
}

Batch evaluated(BatchField output, BatchField target, int64_t size) {
    Batch batch = outputs(std::move(output), size);
    batch.set("target", std::move(target));
    return batch;
}

std::shared_ptr<Task> task(const std::string& type, std::vector<std::string> names = {},
                           std::optional<OutputKind> kind = {}) {
    const auto made =
        type.empty() ? std::make_shared<Task>() : make<Task>("{\"type\": \"" + type + "\"}");
    TaskContext context;
    context.class_names = std::move(names);
    context.output_kind = kind;
    made->set_context(std::move(context));
    return made;
}

/// The lines, as `test` writes them.
std::vector<std::string> lines(const Predictions& said) {
    std::vector<std::string> lines;
    for (const PredictionFields& fields : said.samples)
        lines.push_back(PredictionLine({.digits = 9, .flat = true}).add(fields).str());
    return lines;
}

std::vector<std::string> columns(const Task& task, const Predictions& said) {
    std::vector<std::string> columns;
    for (const auto& [name, value] : said.samples.at(0)) {
        const auto* tensor = std::get_if<Tensor>(&value);
        for (int64_t i = 0; i < (tensor ? tensor->numel() : 1); ++i)
            if (auto column = task.column(name, tensor ? std::optional(i) : std::nullopt))
                columns.push_back(*column);
    }
    return columns;
}

using Strings = std::vector<std::string>;

TEST(PredictionLine, WritesEachKindOfValue) {
    const Tensor numbers = torch::tensor({0.1F, 2.F, 3.F, 4.F}).view({2, 2});
    struct Case {
        PredictionValue value;
        LineStyle style;
        const char* json;
    };
    const std::vector<Case> cases = {
        {std::string("say \"a\"\n\xff"), {}, "\"say \\\"a\\\"\\n\xEF\xBF\xBD\""},
        {int64_t{-3}, {}, "-3"},
        {0.1, {}, "0.1"},
        {1.0, {}, "1.0"},
        {1.0 / 3, {.digits = 9}, "0.333333333"},
        {nan, {}, "null"},
        {-std::numeric_limits<double>::infinity(), {.digits = 9}, "null"},
        {numbers, {}, "[[0.10000000149011612,2.0],[3.0,4.0]]"},
        {numbers, {.digits = 9, .flat = true}, "[0.100000001,2,3,4]"},
        {torch::tensor(7), {}, "7"},
        {torch::tensor(7), {.flat = true}, "[7]"},
        {torch::tensor({true, false}), {}, "[1,0]"},
        {torch::empty({0, 2}), {}, "[]"},
        {torch::complex(torch::tensor({1.0}), torch::tensor({-2.0})), {.digits = 9}, "[[1,-2]]"},
        {Node::list({Node(int64_t{1}), Node::string("b")}), {}, "[1,\"b\"]"}};
    for (const Case& one : cases)
        EXPECT_EQ(PredictionLine(one.style).add("a", one.value).str(),
                  std::string("{\"a\":") + one.json + "}");
    EXPECT_EQ(PredictionLine().str(), "{}");
}

TEST(Task, OfWhichNothingIsKnownSaysTheOutputs) {
    const auto plain = task("");
    const Tensor output = torch::tensor({0.5, 1.5, 2.5, 3.5}).view({2, 2});
    EXPECT_EQ(lines(plain->predict(outputs(output, 2), {})),
              (Strings{"{\"output\":[0.5,1.5]}", "{\"output\":[2.5,3.5]}"}));
    const Predictions said = plain->evaluate(evaluated(output, torch::tensor({1, 2}), 2), {});
    EXPECT_EQ(lines(said), (Strings{"{\"target\":[1],\"output\":[0.5,1.5]}",
                                    "{\"target\":[2],\"output\":[2.5,3.5]}"}));
    EXPECT_EQ(columns(*plain, said), (Strings{"output_0", "output_1"}));
    EXPECT_EQ(lines(plain->predict(outputs(std::vector<std::string>{"a", "b"}, 2), {})),
              (Strings{"{\"output\":\"a\"}", "{\"output\":\"b\"}"}));
    EXPECT_EQ(plain->predict(outputs(torch::tensor(1.0), 2), {}).none,
              "no predictions: the model's output is [] for 2 samples, not one entry a sample");
    EXPECT_TRUE(plain->top_classes(output[0], 5).empty());
    EXPECT_FALSE(plain->classifies());
}

TEST(Task, SaysLessOfManyValues) {
    const Tensor scores = torch::rand({2, 40, 30});
    const Tensor classes = torch::zeros({2, 30}, torch::kLong);
    const auto plain = task("");
    const Predictions shape = plain->predict(outputs(scores, 2), {});
    EXPECT_EQ(lines(shape)[0], "{\"output_shape\":[40,30]}");
    EXPECT_EQ(shape.shortened, "their shape");
    // Targets that are classes by position tell along which dimension the classes lie.
    for (const auto& one : {plain, task("Regression"), task("Classification")}) {
        const Predictions said = one->evaluate(evaluated(scores, classes, 2), {});
        EXPECT_EQ(said.shortened, "the predicted classes");
        const auto& predicted = std::get<Tensor>(said.samples[1].at(0).second);
        EXPECT_TRUE(predicted.equal(scores[1].argmax(0)));
        EXPECT_EQ(columns(*one, said).size(), 30U);
        EXPECT_EQ(columns(*one, said)[29], "prediction_29");
    }
    EXPECT_EQ(task("Classification")->predict(outputs(scores, 2), {}).shortened,
              "the predicted classes");
    const PredictionForm all{.most_classes = 5, .all_values = true};
    EXPECT_EQ(plain->evaluate(evaluated(scores, classes, 2), all).shortened, "");
}

TEST(Classification, NamesLabelAndPrediction) {
    const auto classes = task("Classification", {"cat", "dog"}, OutputKind::class_scores);
    const Tensor scores = torch::tensor({0.0, 200.0, 0.0, 0.0}).view({2, 2});
    const Batch batch = evaluated(scores, torch::tensor({0, -100}), 2);
    const Predictions said = classes->evaluate(batch, {});
    EXPECT_EQ(lines(said), (Strings{"{\"label\":0,\"class\":\"cat\",\"prediction\":1,"
                                    "\"predicted_class\":\"dog\",\"probability\":1}",
                                    "{\"label\":-100,\"class\":\"-100\",\"prediction\":0,"
                                    "\"predicted_class\":\"cat\",\"probability\":0.5}"}));
    const Predictions all = classes->evaluate(batch, {.most_classes = 5, .all_values = true});
    EXPECT_EQ(columns(*classes, all), (Strings{"label", "class", "prediction", "predicted_class",
                                               "probability", "cat", "dog"}));
    const Predictions alone = classes->predict(outputs(scores, 2), {.most_classes = 1});
    EXPECT_EQ(alone.top[0].size(), 1U);
    EXPECT_EQ(alone.top[0][0].name, "dog");
    EXPECT_NEAR(alone.top[0][0].probability, 1, 1e-6);
    // Targets that are no class a sample stand beside the outputs.
    const Tensor shares = torch::tensor({0.5, 0.5, 1.0, 0.0}).view({2, 2});
    EXPECT_EQ(lines(classes->evaluate(evaluated(torch::ones({2, 2}), shares, 2), {}))[1],
              "{\"target\":[1,0],\"output\":[1,1]}");
}

TEST(Classification, TakesTheMeanOfProbabilities) {
    const auto classes = task("Classification");
    const Tensor views = torch::randn({3, 4, 5}, torch::kDouble);
    EXPECT_TRUE(classes->mean(views).exp().allclose(views.softmax(2).mean(0)));
    EXPECT_EQ(test::error_of([&] {
                  classes->mean(torch::zeros({2, 4, 1}));
              }),
              "--tta takes the mean of class probabilities, [N, classes], and the model gives "
              "[4, 1]");
}

TEST(MultiLabel, GivesEachLabelAProbability) {
    const Tensor scores = torch::logit(torch::tensor({0.25, 0.75}, torch::kDouble)).view({1, 2});
    const Batch batch = evaluated(scores, torch::tensor({1.0, 0.0}).view({1, 2}), 1);
    const auto labels = task("MultiLabel", {}, OutputKind::label_scores);
    const Predictions said = labels->evaluate(batch, {});
    EXPECT_EQ(lines(said)[0],
              "{\"target\":[1,0],\"prediction\":[0,1],\"probability\":[0.25,0.75],"
              "\"output\":[-1.09861229,1.09861229]}");
    EXPECT_EQ(columns(*labels, said), (Strings{"output_0", "output_1"}));
    // One yes or no is two classes; a label with a name of its own is not.
    const Tensor one = torch::logit(torch::tensor({0.75}, torch::kDouble));
    EXPECT_EQ(labels->top_classes(one, 5).size(), 2U);
    EXPECT_EQ(task("MultiLabel", {"dog"}, OutputKind::label_scores)->top_classes(one, 5).size(),
              1U);
    // After the sigmoid the numbers are what they are.
    const auto sure = task("MultiLabel", {}, OutputKind::label_probabilities);
    EXPECT_NEAR(sure->top_classes(torch::tensor({0.2, 0.9}), 1).at(0).probability, 0.9, 1e-6);
    const Tensor views = torch::randn({3, 4, 5}, torch::kDouble);
    EXPECT_TRUE(labels->mean(views).sigmoid().allclose(views.sigmoid().mean(0)));
    EXPECT_TRUE(sure->mean(views).allclose(views.mean(0)));
}

TEST(Regression, CaptionsAreTheNumbers) {
    Sample sample(torch::zeros({1, 2, 2}), torch::tensor({0.25, 3.0}));
    EXPECT_EQ(task("Regression")->caption(sample), "0.25, 3");
    EXPECT_EQ(task("", {"cat", "dog"})
                  ->caption(Sample(torch::zeros({1, 2, 2}), torch::tensor({0.25, 0.75}))),
              "0.25 0 cat, 0.75 1 dog");
}

class Nothing final : public Dataset {
  public:
    int64_t size() const override { return 8; }
    std::string sample_name(int64_t i) const override { return concat("sample ", i); }
    Sample get(int64_t, const SampleContext&) const override {
        return {torch::zeros({2}), torch::tensor(0)};
    }
};

/// The errors' table, of one evaluation that two ranks share as given.
std::string errors_shown(const std::vector<int64_t>& ranks_samples) {
    const Tensor output = torch::tensor({1.0, 2.0, 3.0, 7.0}), target = torch::tensor({1, 2, 3, 3});
    const auto regression = task("Regression");
    std::string html;
    const auto errors = test::run_ranks(int(ranks_samples.size()), [&](Comm& comm) {
        const auto found = regression->findings(2);
        int64_t begin = 0;
        for (int rank = 0; rank < comm.rank(); ++rank) begin += ranks_samples[size_t(rank)];
        if (const int64_t count = ranks_samples[size_t(comm.rank())]) {
            Batch batch =
                evaluated(output.narrow(0, begin, count), target.narrow(0, begin, count), count);
            for (int64_t i = 0; i < count; ++i) batch.ids[size_t(i)] = begin + i;
            found->add(batch);
        }
        found->gather(comm, Nothing());
        if (comm.rank() != 0) return;
        Page page("errors");
        found->show(page, "val");
        html = page.html();
    });
    for (const std::string& error : errors) EXPECT_EQ(error, "");
    return html;
}

TEST(Regression, ErrorsAreTheSameForEveryNumberOfRanks) {
    const std::string alone = errors_shown({4});
    // 4 values; mean error 1; R2 of errors [0, 0, 0, 4] about targets [1, 2, 3, 3].
    EXPECT_NE(alone.find("<td class=\"n\">4</td><td class=\"n\">1</td><td class=\"n\">1</td>"
                         "<td class=\"n\">2</td><td class=\"n\">-4.81818</td>"),
              std::string::npos)
        << alone;
    EXPECT_NE(alone.find("sample 3</td><td class=\"n\">3</td><td class=\"n\">7</td>"),
              std::string::npos);
    for (const std::vector<int64_t>& split :
         std::vector<std::vector<int64_t>>{{2, 2}, {0, 4}, {1, 0, 3}})
        EXPECT_EQ(errors_shown(split), alone);
}

TEST(WorstSamples, KeepsTheWorstOfAllRanks) {
    const std::vector<double> sizes = {3, 1, nan, 3, 2, 5};
    for (const int ranks : {1, 2, 3}) {
        std::string html;
        int asked = 0;
        test::run_ranks(ranks, [&](Comm& comm) {
            WorstSamples worst(4);
            for (size_t i = 0; i < sizes.size(); ++i)
                if (int(i) % ranks == comm.rank())
                    worst.add(int64_t(i), sizes[i], [&] {
                        return WorstSamples::Words{"", {concat("words\tof ", i)}};
                    });
            worst.gather(comm, Nothing(), Task());
            if (comm.rank() != 0) return;
            Page page("worst");
            worst.show(page, "Worst", {"words"});
            html = page.html();
            asked = 1;
        });
        ASSERT_EQ(asked, 1);
        std::vector<size_t> places;
        for (const int i : {2, 5, 0, 3}) places.push_back(html.find(concat("words\tof ", i)));
        EXPECT_TRUE(std::is_sorted(places.begin(), places.end())) << html;
        EXPECT_NE(places.back(), std::string::npos);
        EXPECT_EQ(html.find("words\tof 4"), std::string::npos);
    }
}

}  // namespace
}  // namespace ailab
