// One pass over the data of an evaluation: the loss is that of all samples of all ranks.
#include "run/evaluator.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "core/distributed/thread_comm.hpp"

namespace ailab {
namespace {

using Results = std::vector<std::pair<std::string, double>>;

class Same final : public Model {
  public:
    Tensor forward(const Tensor& input) override { return input; }
};

/// The mean of the outputs; and their mean weighted by the targets.
class TwoTerms final : public Loss {
  public:
    std::vector<std::string> term_names() const override { return {"plain", "weighted"}; }
    bool has_own_weights() const override { return true; }
    std::vector<LossTerm> terms(const Batch& given) override {
        const Tensor& output = given.tensor("output");
        const Tensor& target = given.tensor("target");
        LossTerm plain{.name = "plain", .sum = output.mean()};
        plain.is_mean = true;
        LossTerm weighted{.name = "weighted", .sum = (output * target).sum(), .scale = 2};
        weighted.weight = target.sum();
        return {plain, weighted};
    }
};

class MeanLoss final : public Loss {
  public:
    Tensor forward(const Tensor& output, const Tensor&) override { return output.mean(); }
};

RunConfig float64() {
    RunConfig config;
    config.runtime.dtype = "float64";
    return config;
}

Batch batch(std::vector<double> outputs, std::vector<double> targets) {
    Batch made{{"input", torch::tensor(outputs, at::kDouble)},
               {"target", torch::tensor(targets, at::kDouble)}};
    made.size = made.global_size = int64_t(outputs.size());
    return made;
}

/// A pass over these batches, given to the ranks in turn; what each rank has found.
std::vector<Results> pass(int ranks, const std::shared_ptr<Loss>& loss,
                          const std::vector<Batch>& batches) {
    std::vector<Results> found{size_t(ranks)};
    const auto errors = test::run_ranks(ranks, [&](test::ThreadComm& comm) {
        Same model;
        const RunConfig config = float64();
        const ForwardPass forward(config, model, loss.get(), std::nullopt, c10::kCPU);
        Evaluator evaluator(forward, comm);
        for (const bool again : {false, true}) {  // a second pass begins at nothing
            evaluator.begin(Phase::val);
            for (size_t i = size_t(comm.rank()); i < batches.size(); i += size_t(ranks)) {
                Batch taken = batches[i];
                evaluator.add(taken, taken.size);
                EXPECT_TRUE(taken.has("output"));
            }
            if (again) found[size_t(comm.rank())] = evaluator.finish();
        }
    });
    for (const std::string& error : errors) EXPECT_EQ(error, "");
    return found;
}

TEST(Evaluator, SumsTermsOverTheSamplesOfAllRanks) {
    const std::vector<Batch> batches = {batch({1, 2, 3}, {1, 0, 1}), batch({5}, {2}),
                                        batch({4, 6}, {0, 0})};
    for (const int ranks : {1, 2, 3, 4})  // the fourth has no batch
        for (const Results& found : pass(ranks, std::make_shared<TwoTerms>(), batches)) {
            ASSERT_EQ(found.size(), 3) << ranks;
            EXPECT_EQ(found[1], std::make_pair(std::string("plain"), 21.0 / 6)) << ranks;
            EXPECT_EQ(found[2], std::make_pair(std::string("weighted"), 2 * 14.0 / 4)) << ranks;
            EXPECT_DOUBLE_EQ(found[0].second, 21.0 / 6 + 2 * 14.0 / 4) << ranks;
        }
}

TEST(Evaluator, ATermOfWhichNothingCountsIsNan) {
    for (const int ranks : {1, 2})
        for (const Results& found :
             pass(ranks, std::make_shared<TwoTerms>(), {batch({1, 2}, {0, 0}), batch({3}, {0})})) {
            ASSERT_EQ(found.size(), 3);
            EXPECT_TRUE(std::isnan(found[0].second));
            EXPECT_EQ(found[1].second, 2);
            EXPECT_TRUE(std::isnan(found[2].second));
        }
}

TEST(Evaluator, GivesTheLossAloneWhereItHasOneTerm) {
    EXPECT_EQ(pass(1, std::make_shared<MeanLoss>(), {batch({1, 3}, {0, 0}), batch({8}, {0})})[0],
              (Results{{"loss", 4}}));
    EXPECT_EQ(pass(2, nullptr, {batch({1, 3}, {0, 0})})[1], Results());
}

}  // namespace
}  // namespace ailab
