// One step without a process or a file: gradients, losses and updates of one to three ranks, over
// one or several iterations, against autograd on the one large batch.
#include "step/training_step.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <mutex>

#include "step_rank.hpp"

namespace ailab::test {
namespace {

// ---- losses, by what they are divided by

enum class Kind { mean, sums, one, common, targets, predictions };

const char* name_of(Kind kind) {
    constexpr const char* names[] = {"Mean", "Sums", "One", "Common", "Targets", "Predictions"};
    return names[size_t(kind)];
}

class KindLoss final : public Loss {
  public:
    explicit KindLoss(Kind kind) : kind_(kind) {}

    std::vector<std::string> term_names() const override {
        switch (kind_) {
            case Kind::mean:
            case Kind::one:
                return {"loss"};
            case Kind::targets:
                return {"a", "b", "c"};
            default:
                return {"a", "b"};
        }
    }
    bool has_own_weights() const override { return kind_ != Kind::mean && kind_ != Kind::sums; }
    WeightSource weight_source() const override {
        if (kind_ == Kind::targets) return WeightSource::targets;
        return kind_ == Kind::common ? WeightSource::common : WeightSource::predictions;
    }
    std::vector<std::optional<Tensor>> target_weights(const Batch& inputs) override {
        EXPECT_FALSE(inputs.tensor("output").defined());
        const Tensor target = inputs.tensor("target");
        return {target.select(1, 0).sum(), target.select(1, 1).gt(1).sum() * wrong_, std::nullopt};
    }
    std::vector<LossTerm> terms(const Batch& inputs) override {
        const Tensor output = inputs.tensor("output"), target = inputs.tensor("target");
        const Tensor error = (output - target).square();
        const Tensor first = target.select(1, 0), second = target.select(1, 1).gt(1);
        switch (kind_) {
            case Kind::mean:
                return {{.name = "loss", .sum = error.mean(1).mean(), .is_mean = true}};
            case Kind::sums:
                return {{.name = "a", .sum = error.select(1, 0).sum(), .scale = 0.5},
                        {.name = "b", .sum = error.select(1, 1).mean(), .is_mean = true}};
            case Kind::one:
                return {{.name = "loss",
                         .sum = (error.select(1, 0) * first).sum(),
                         .weight = first.sum(),
                         .scale = 2}};
            case Kind::common:
                return {
                    {.name = "a", .sum = (error.select(1, 0) * first).sum(), .weight = first.sum()},
                    {.name = "b",
                     .sum = (error.select(1, 2).sqrt() * first).sum(),
                     .weight = first.sum() * wrong_,
                     .scale = 0.25}};
            case Kind::targets:
                return {
                    {.name = "a", .sum = (error.select(1, 0) * first).sum(), .weight = first.sum()},
                    {.name = "b",
                     .sum = (error.select(1, 1) * second).sum(),
                     .weight = second.sum(),
                     .scale = 0.5},
                    {.name = "c", .sum = error.select(1, 2).mean(), .is_mean = true}};
            case Kind::predictions: {
                const Tensor counts = output.select(1, 0).detach().gt(0).to(at::kDouble);
                return {{.name = "a",
                         .sum = (error.select(1, 0) * counts).sum(),
                         .weight = counts.sum()},
                        {.name = "b", .sum = error.select(1, 1).sum()}};
            }
        }
        return {};
    }

    int64_t wrong_ = 1;

  private:
    const Kind kind_;
};

// ---- batches

Batch samples(int64_t begin, int64_t end, int64_t all) {
    const Tensor numbers = at::arange(begin, end, at::kDouble);
    Batch batch;
    batch.set("input", at::stack({at::sin(numbers), at::cos(numbers * 0.3), numbers * 0.01}, 1));
    batch.set("target", at::stack({numbers.fmod(3), numbers.fmod(4), at::sin(numbers * 0.2)}, 1));
    batch.size = end - begin;
    batch.global_size = all;
    return batch;
}

/// Iterations, and in each the samples of each rank.
using Share = std::vector<std::vector<int64_t>>;

int64_t total(const Share& share) {
    int64_t sum = 0;
    for (const auto& ranks : share)
        for (const int64_t size : ranks) sum += size;
    return sum;
}

std::vector<Batch> of_rank(const Share& share, size_t rank, int64_t from = 0) {
    std::vector<Batch> batches;
    for (const auto& ranks : share) {
        int64_t all = 0;
        for (const int64_t size : ranks) all += size;
        for (size_t i = 0; i < ranks.size(); from += ranks[i++])
            if (i == rank) batches.push_back(samples(from, from + ranks[i], all));
    }
    return batches;
}

// ---- what is right: the one large batch

struct Expected {
    std::map<std::string, Tensor> gradients;
    std::map<std::string, double> losses;  // the terms, and "loss"
};

Expected large_batch(Model& model, Loss& loss, int64_t begin, int64_t end) {
    Batch batch = samples(begin, end, end - begin);
    Batch inputs;
    inputs.set("output", model.forward(batch.tensor("input")));
    inputs.set("target", batch.tensor("target"));
    inputs.size = inputs.global_size = batch.size;
    Expected expected;
    Tensor all;
    for (const LossTerm& term : loss.terms(inputs)) {
        const Tensor mean = term.is_mean  ? term.sum
                            : term.weight ? term.sum / *term.weight
                                          : term.sum / double(batch.size);
        const Tensor share = mean * term.scale;
        expected.losses[term.name] = share.item<double>();
        all = all.defined() ? all + share : share;
    }
    expected.losses["loss"] = all.item<double>();
    std::vector<Tensor> parameters = model.parameters();
    const std::vector<Tensor> gradients = torch::autograd::grad(
        {all}, parameters, {}, std::nullopt, /*create_graph=*/false, /*allow_unused=*/true);
    size_t i = 0;
    for (const auto& item : model.named_parameters())
        expected.gradients[item.key()] = gradients[i++];
    return expected;
}

std::vector<NamedParameter> named(const Model& model, const std::string& prefix = "") {
    std::vector<NamedParameter> list;
    for (const auto& item : model.named_parameters())
        if (item.key().starts_with(prefix)) list.push_back({item.key(), item.value()});
    return list;
}

StepRank make_rank(const std::shared_ptr<Net>& net, const std::shared_ptr<Loss>& loss,
                   const std::shared_ptr<Optimizer>& optimizer,
                   const std::shared_ptr<Meeting>& meeting, int rank, int size,
                   const StepRankOptions& options = {}) {
    return {net, loss, {{"", {optimizer, named(*net)}}}, meeting, rank, size, options};
}

void expect_close(const Tensor& actual, const Tensor& expected, const std::string& what) {
    ASSERT_EQ(actual.defined(), expected.defined()) << what;
    if (actual.defined())
        EXPECT_LE((actual - expected).abs().max().item<double>(),
                  1e-12 * std::max(1.0, expected.norm().item<double>()))
            << what << "\n"
            << actual << "\n"
            << expected;
}

/// Of what all ranks have recorded.
class Means {
  public:
    void add(const Recorder& rank) {
        const std::lock_guard lock(mutex_);
        for (const auto& [name, sum] : rank.sums) {
            sums_[name].first += sum.first;
            sums_[name].second += sum.second;
        }
    }
    double of(const std::string& name) const {
        const auto found = sums_.find(name);
        return found == sums_.end() ? std::nan("") : found->second.first / found->second.second;
    }
    bool has(const std::string& name) const { return sums_.contains(name); }

  private:
    std::mutex mutex_;
    std::map<std::string, std::pair<double, double>> sums_;
};

// ---- every normaliser, every share

struct ShareCase {
    const char* name;
    Share share;
};

const ShareCase shares[] = {
    {"OneRank", {{12}}},
    {"OneRankThreeIterations", {{5}, {4}, {2}}},
    {"TwoRanks", {{7, 5}}},
    {"TwoRanksOneEmpty", {{6, 0}}},
    {"TwoRanksAccumulate", {{4, 4}, {3, 1}}},
    {"TwoRanksUnevenLast", {{4, 4}, {3, 0}, {0, 2}}},
    {"ThreeRanks", {{3, 4, 2}}},
    {"ThreeRanksAccumulate", {{3, 3, 3}, {2, 1, 0}}},
};

class Steps : public testing::TestWithParam<std::tuple<ShareCase, Kind>> {};

TEST_P(Steps, GiveTheGradientsAndLossesOfTheOneLargeBatch) {
    const Share& share = std::get<0>(GetParam()).share;
    const Kind kind = std::get<1>(GetParam());
    const int size = int(share[0].size());
    const int64_t count = total(share);
    Expected expected[2];
    {
        // A first step, and a second one from what it leaves.
        const auto net = std::make_shared<Net>();
        KindLoss loss(kind);
        for (int step = 0; step < 2; ++step) {
            expected[step] = large_batch(*net, loss, step * count, (step + 1) * count);
            const at::NoGradGuard no_grad;
            for (const auto& item : net->named_parameters())
                item.value().sub_(expected[step].gradients[item.key()], 0.1);
        }
    }
    for (const bool shares_memory : {false, true}) {
        const auto meeting = std::make_shared<Meeting>(size);
        Means means[2];
        run_ranks(size, [&](int rank) {
            const auto net = std::make_shared<Net>();
            StepRank one =
                make_rank(net, std::make_shared<KindLoss>(kind), std::make_shared<PlainSgd>(),
                          meeting, rank, size, {.shares_memory = shares_memory});
            for (int step = 0; step < 2; ++step) {
                one.observer.sums.clear();
                one.take(of_rank(share, size_t(rank), step * count), count, step);
                for (const auto& [name, gradient] : expected[step].gradients)
                    expect_close(one.observer.gradients.at(name), gradient,
                                 concat("rank ", rank, ", step ", step, ", ", name));
                means[step].add(one.observer);
            }
        });
        for (int step = 0; step < 2; ++step)
            for (const auto& [name, value] : expected[step].losses)
                EXPECT_NEAR(means[step].of(name), value, 1e-12 * std::max(1.0, std::abs(value)))
                    << "step " << step << ", " << name;
    }
}

INSTANTIATE_TEST_SUITE_P(, Steps,
                         testing::Combine(testing::ValuesIn(shares),
                                          testing::Values(Kind::mean, Kind::sums, Kind::one,
                                                          Kind::common, Kind::targets,
                                                          Kind::predictions)),
                         [](const auto& info) {
                             return concat(std::get<0>(info.param).name,
                                           name_of(std::get<1>(info.param)));
                         });

/// A step waits for the other ranks only where its loss needs it.
TEST(Step, HasNoOtherCollectiveThanThatOfItsGradients) {
    const std::pair<Kind, std::pair<int, int>> cases[] = {
        // one iteration, three; in the second step
        {Kind::mean, {0, 0}},   {Kind::sums, {0, 0}},    {Kind::one, {0, 0}},
        {Kind::common, {0, 0}}, {Kind::targets, {1, 1}}, {Kind::predictions, {1, 1}},
    };
    for (const auto& [kind, sums] : cases) {
        for (const bool accumulates : {false, true}) {
            const Share share = accumulates ? Share{{2, 2}, {2, 1}, {1, 1}} : Share{{4, 3}};
            const auto meeting = std::make_shared<Meeting>(2);
            run_ranks(2, [&, kind = kind, sums = sums](int rank) {
                StepRank one = make_rank(std::make_shared<Net>(), std::make_shared<KindLoss>(kind),
                                         std::make_shared<PlainSgd>(), meeting, rank, 2);
                one.take(of_rank(share, size_t(rank)), total(share));
                one.comm.collectives = 0;
                one.take(of_rank(share, size_t(rank)), total(share), 1);
                EXPECT_EQ(one.comm.collectives, accumulates ? sums.second : sums.first)
                    << name_of(kind);
            });
        }
    }
}

/// Where the ranks share memory a number is exchanged sooner than all gradients are divided.
TEST(Step, ExchangesTheWeightOfOneIterationWhereMemoryIsShared) {
    for (const bool accumulates : {false, true}) {
        const Share share = accumulates ? Share{{2, 2}, {2, 1}, {1, 1}} : Share{{4, 3}};
        const auto meeting = std::make_shared<Meeting>(2);
        run_ranks(2, [&](int rank) {
            StepRank one =
                make_rank(std::make_shared<Net>(), std::make_shared<KindLoss>(Kind::one),
                          std::make_shared<PlainSgd>(), meeting, rank, 2, {.shares_memory = true});
            one.take(of_rank(share, size_t(rank)), total(share));
            one.comm.collectives = 0;
            one.take(of_rank(share, size_t(rank)), total(share), 1);
            EXPECT_EQ(one.comm.collectives, accumulates ? 0 : 1);
        });
    }
}

/// The unit of sums that are divided later is a power of two: it leaves no trace.
TEST(Step, OfAShorterWindowBehindALongerOneIsOfItsOwnSamples) {
    constexpr int64_t before = 9, after = 3;
    for (const Kind kind :
         {Kind::mean, Kind::sums, Kind::one, Kind::common, Kind::targets, Kind::predictions}) {
        const auto net = std::make_shared<Net>();
        KindLoss loss(kind);
        {
            const Expected first = large_batch(*net, loss, 0, before);
            const at::NoGradGuard no_grad;
            for (const auto& item : net->named_parameters())
                item.value().sub_(first.gradients.at(item.key()), 0.1);
        }
        const Expected second = large_batch(*net, loss, before, before + after);
        for (const int size : {1, 2}) {
            const auto meeting = std::make_shared<Meeting>(size);
            run_ranks(size, [&](int rank) {
                StepRank one = make_rank(std::make_shared<Net>(), std::make_shared<KindLoss>(kind),
                                         std::make_shared<PlainSgd>(), meeting, rank, size);
                one.take(of_rank(size == 1 ? Share{{5}, {4}} : Share{{3, 2}, {3, 1}}, size_t(rank)),
                         before);
                one.take(of_rank(size == 1 ? Share{{3}} : Share{{2, 1}}, size_t(rank), before),
                         after, 1);
                for (const auto& [name, gradient] : second.gradients)
                    expect_close(one.observer.gradients.at(name), gradient,
                                 concat(name_of(kind), ", ", name));
            });
        }
    }
}

TEST(Step, IsTheSameToTheBitWhateverItsSumsAreScaledBy) {
    std::map<std::string, Tensor> first;
    for (const double unit : {1.0, 1024.0, 0.125}) {
        const auto meeting = std::make_shared<Meeting>(2);
        run_ranks(2, [&](int rank) {
            StepRank one = make_rank(std::make_shared<Net>(), std::make_shared<KindLoss>(Kind::one),
                                     std::make_shared<PlainSgd>(), meeting, rank, 2);
            one.step.set_loss_unit(unit);
            one.take(of_rank({{4, 3}}, size_t(rank)), 7);
            if (rank > 0) return;
            if (first.empty()) first = one.observer.gradients;
            for (const auto& [name, gradient] : one.observer.gradients)
                EXPECT_TRUE(torch::equal(gradient, first.at(name))) << name << ", unit " << unit;
            EXPECT_EQ(one.step.loss_unit(), 8) << "near the weight of that step, 7";
        });
    }
}

// ---- losses whose terms are not as they say

TEST(Step, RefusesWeightsThatAreNotAsTheLossSaid) {
    const auto message = [](Kind kind) -> std::string {
        const auto loss = std::make_shared<KindLoss>(kind);
        loss->wrong_ = 2;
        const auto meeting = std::make_shared<Meeting>(1);
        StepRank one =
            make_rank(std::make_shared<Net>(), loss, std::make_shared<PlainSgd>(), meeting, 0, 1);
        try {
            one.take(of_rank({{4}, {3}}, 0), 7);
        } catch (const Error& error) {
            return error.what();
        }
        return "no error";
    };
    EXPECT_NE(message(Kind::common).find("the terms \"a\" and \"b\" weigh 3 and 6"),
              std::string::npos)
        << message(Kind::common);
    EXPECT_NE(message(Kind::targets).find("term \"b\" has the weight"), std::string::npos)
        << message(Kind::targets);
}

class NoTarget final : public Loss {
  public:
    bool has_own_weights() const override { return true; }
    std::vector<LossTerm> terms(const Batch& inputs) override {
        return {{.name = "loss",
                 .sum = inputs.tensor("output").sum() * 0,
                 .weight = at::zeros({}, at::kDouble)}};
    }
};

/// One term over the samples, and one whose targets count nowhere.
class HalfTarget final : public Loss {
  public:
    explicit HalfTarget(WeightSource source) : source_(source) {}
    std::vector<std::string> term_names() const override { return {"object", "box"}; }
    bool has_own_weights() const override { return true; }
    WeightSource weight_source() const override { return source_; }
    std::vector<std::optional<Tensor>> target_weights(const Batch&) override {
        return {std::nullopt, at::zeros({}, at::kDouble)};
    }
    std::vector<LossTerm> terms(const Batch& inputs) override {
        const Tensor output = inputs.tensor("output");
        return {{.name = "object", .sum = output.square().sum()},
                {.name = "box", .sum = output.sum() * 0, .weight = at::zeros({}, at::kDouble)}};
    }

  private:
    const WeightSource source_;
};

TEST(Step, OfWhichOneTermCountsIsNotSaidToHaveNoTargets) {
    const Share shares[] = {{{3}}, {{3}, {2}}, {{3, 2}}, {{0, 3}}, {{3, 0}}, {{2, 1}, {0, 2}}};
    for (const WeightSource source : {WeightSource::targets, WeightSource::predictions})
        for (const Share& share : shares) {
            const int size = int(share[0].size());
            const auto meeting = std::make_shared<Meeting>(size);
            Means means;
            run_ranks(size, [&](int rank) {
                StepRank one =
                    make_rank(std::make_shared<Net>(), std::make_shared<HalfTarget>(source),
                              std::make_shared<PlainSgd>(), meeting, rank, size);
                one.take(of_rank(share, size_t(rank)), total(share));
                EXPECT_EQ(one.observer.events.back(), "after_step");
                means.add(one.observer);
            });
            EXPECT_TRUE(means.has("object"));
            EXPECT_GT(means.of("loss"), 0);
        }
}

TEST(Step, OfTargetsThatCountNowhereHasZeroGradientsAndNoLoss) {
    for (const int size : {1, 2}) {
        const auto meeting = std::make_shared<Meeting>(size);
        run_ranks(size, [&](int rank) {
            StepRank one = make_rank(std::make_shared<Net>(), std::make_shared<NoTarget>(),
                                     std::make_shared<PlainSgd>(), meeting, rank, size);
            one.take(of_rank({std::vector<int64_t>(size_t(size), 3)}, size_t(rank)), 3 * size);
            for (const auto& [name, gradient] : one.observer.gradients)
                EXPECT_TRUE(gradient.eq(0).all().item<bool>()) << name;
            EXPECT_EQ(one.observer.events.back(), "nothing_counts");
            EXPECT_FALSE(one.observer.sums.contains("loss"));
        });
    }
}

// ---- parameters

/// Of a whole step on one rank or two: what `look` says of each rank.
void on_ranks(const std::function<void(StepRank&, Net&)>& look, const StepRankOptions& options = {},
              bool ties = false, const std::function<void(StepRank&, Net&)>& before = {}) {
    for (const int size : {1, 2}) {
        const auto meeting = std::make_shared<Meeting>(size);
        run_ranks(size, [&](int rank) {
            const auto net = std::make_shared<Net>(ties);
            StepRank one(net, std::make_shared<KindLoss>(Kind::mean),
                         {{"", {std::make_shared<PlainSgd>(), parameters_of(*net)}}}, meeting, rank,
                         size, options);
            if (before) before(one, *net);
            one.take(of_rank(size == 1 ? Share{{8}} : Share{{5, 3}}, size_t(rank)), 8);
            look(one, *net);
        });
    }
}

TEST(Step, StepsATiedParameterOnce) {
    const auto untouched = std::make_shared<Net>(/*ties=*/true);
    KindLoss loss(Kind::mean);
    const Expected expected = large_batch(*untouched, loss, 0, 8);
    on_ranks(
        [&](StepRank& one, Net& net) {
            EXPECT_EQ(one.observer.gradients.size(), 6U);
            expect_close(one.observer.gradients.at("tied"), expected.gradients.at("tied"), "tied");
            expect_close(net.first->weight.detach(),
                         untouched->tied.detach() - 0.1 * expected.gradients.at("tied"), "weight");
        },
        {}, /*ties=*/true);
}

TEST(Step, ClipsByNormAndThenByValue) {
    const auto untouched = std::make_shared<Net>();
    KindLoss loss(Kind::mean);
    const Expected expected = large_batch(*untouched, loss, 0, 8);
    double squares = 0;
    for (const auto& [name, gradient] : expected.gradients)
        squares += gradient.square().sum().item<double>();
    const double norm = std::sqrt(squares);
    const double max_norm = norm / 3, max_value = 0.02;
    on_ranks(
        [&](StepRank& one, Net& net) {
            EXPECT_NEAR(
                one.observer.sums.at("grad_norm").first / one.observer.sums.at("grad_norm").second,
                norm, 1e-12 * norm);
            for (const auto& item : net.named_parameters()) {
                const Tensor clipped =
                    (expected.gradients.at(item.key()) * (max_norm / (norm + 1e-6)))
                        .clamp(-max_value, max_value);
                const Tensor before = untouched->named_parameters()[item.key()].detach();
                expect_close(item.value().detach(), before - 0.1 * clipped, item.key());
            }
        },
        {.clip = {.max_norm = max_norm, .max_value = max_value}});
}

TEST(Step, TellsTheNormFromBeforeStepToAfterStepOnly) {
    on_ranks([](StepRank& one, Net&) { EXPECT_THROW(one.step.grad_norm(), Error); }, {}, false,
             [](StepRank& one, Net&) {
                 EXPECT_THROW(one.step.skip("why"), Error);
                 one.observer.on_step = [&] {
                     double squares = 0;
                     for (const auto& [name, gradient] : one.observer.gradients)
                         squares += gradient.square().sum().item<double>();
                     EXPECT_NEAR(one.step.grad_norm(), std::sqrt(squares), 1e-12);
                 };
             });
}

TEST(Step, IsLeftOutWhenAskedTo) {
    on_ranks(
        [](StepRank& one, Net& net) {
            EXPECT_TRUE(torch::equal(net.first->weight, Net().first->weight));
            EXPECT_EQ(one.observer.events.back(), "after_step");
        },
        {}, false,
        [](StepRank& one, Net&) { one.observer.on_step = [&] { one.step.skip("a test"); }; });
}

TEST(Step, OfAParameterThatNobodyUsesLeavesItAlone) {
    on_ranks(
        [](StepRank& one, Net& net) {
            EXPECT_FALSE(one.observer.gradients.at("apart.weight").defined());
            EXPECT_TRUE(torch::equal(net.apart->weight, Net().apart->weight));
            EXPECT_FALSE(torch::equal(net.first->weight, Net().first->weight));
        },
        {}, false, [](StepRank&, Net& net) { net.uses_apart = false; });
}

TEST(Step, NamesParametersThatNobodyUsesWhereThatIsAnError) {
    const auto meeting = std::make_shared<Meeting>(2);
    run_ranks(2, [&](int rank) {
        const auto net = std::make_shared<Net>();
        net->uses_apart = false;
        StepRank one =
            make_rank(net, std::make_shared<KindLoss>(Kind::mean), std::make_shared<PlainSgd>(),
                      meeting, rank, 2, {.find_unused_parameters = false});
        try {
            one.take(of_rank({{2, 2}}, size_t(rank)), 4, 7);
            ADD_FAILURE() << "no error";
        } catch (const Error& error) {
            EXPECT_EQ(
                std::string(error.what()).substr(0, 90),
                "the loss of step 7 does not depend on the parameters apart.weight, apart.bias "
                "on any rank.");
        }
    });
}

// ---- samples

TEST(Step, WithBrokenSamplesIsTheMeanOverThoseThatAreThere) {
    KindLoss loss(Kind::mean);
    const Expected expected = large_batch(*std::make_shared<Net>(), loss, 0, 6);
    const auto meeting = std::make_shared<Meeting>(2);
    run_ranks(2, [&](int rank) {
        StepRank one =
            make_rank(std::make_shared<Net>(), std::make_shared<KindLoss>(Kind::mean),
                      std::make_shared<PlainSgd>(), meeting, rank, 2, {.may_skip = true});
        one.take(of_rank({{4, 2}}, size_t(rank)), /*assigned=*/8);
        for (const auto& [name, gradient] : expected.gradients)
            expect_close(one.observer.gradients.at(name), gradient, name);
        EXPECT_EQ(one.step.window().samples, 6);
    });
}

TEST(Step, WithoutAnySampleIsNotTaken) {
    const auto net = std::make_shared<Net>();
    const auto optimizer = std::make_shared<PlainSgd>();
    StepRank one = make_rank(net, std::make_shared<KindLoss>(Kind::mean), optimizer,
                             std::make_shared<Meeting>(1), 0, 1, {.may_skip = true});
    one.take(of_rank({{0}}, 0), /*assigned=*/4);
    EXPECT_EQ(optimizer->steps, 0);
    EXPECT_EQ(one.observer.events.back(), "after_step");
}

// ---- float16

TEST(Step, WhoseScaledGradientsAreNotFiniteOnOneRankIsLeftOutByAllAndHalvesTheScale) {
    for (const int size : {1, 2})
        for (const bool overflows : {false, true}) {
            const auto meeting = std::make_shared<Meeting>(size);
            run_ranks(size, [&](int rank) {
                const auto net = std::make_shared<Net>();
                net->to(at::kFloat);
                StepRank one(
                    net, std::make_shared<KindLoss>(Kind::mean),
                    {{"", {std::make_shared<PlainSgd>(), named(*net)}}}, meeting, rank, size,
                    {.clip = {.max_norm = 1e9}, .scaling = AutocastPlan{.initial_scale = 16}});
                const auto& optimizer = dynamic_cast<PlainSgd&>(one.updates.at("")->optimizer());
                std::vector<Batch> batches =
                    of_rank(size == 1 ? Share{{4}} : Share{{3, 1}}, size_t(rank));
                for (auto& [name, field] : batches[0].fields)
                    field = std::get<Tensor>(field).to(at::kFloat);
                // Its gradient is finite before it is scaled.
                if (overflows && rank == size - 1)
                    batches[0].set("target", batches[0].tensor("target") + 3e38);
                one.observer.on_step = [&] { EXPECT_EQ(one.step.grad_norm() == 0, overflows); };
                one.take(std::move(batches), 4);
                EXPECT_EQ(optimizer.steps, overflows ? 0 : 1);
                EXPECT_EQ(one.step.scaler()->scale().item<float>(), overflows ? 8 : 16);
                EXPECT_EQ(one.observer.sums.at("overflow").first > 0, overflows);
                EXPECT_EQ(one.observer.sums.contains("grad_norm"), !overflows);
            });
        }
}

/// One layer in float16, whose bias's gradient is a sum over the samples.
class HalfNet final : public Model {
  public:
    HalfNet() { layer = register_module("layer", torch::nn::Linear(3, 3)); }
    Tensor forward(const Tensor& input) override {
        return at::linear(at::sin(input).to(at::kHalf), layer->weight.to(at::kHalf),
                          layer->bias.to(at::kHalf))
            .to(at::kDouble);
    }
    torch::nn::Linear layer{nullptr};
};

/// Summed up, the gradients of 70,000 samples are beyond float16; over their weight they are not.
TEST(Step, OfAWeightedLossDoesNotOverflowForItsManySamples) {
    for (const bool scaled_beforehand : {true, false}) {
        const auto meeting = std::make_shared<Meeting>(2);
        run_ranks(2, [&](int rank) {
            const auto net = std::make_shared<HalfNet>();
            StepRank one(net, std::make_shared<KindLoss>(Kind::one),
                         {{"", {std::make_shared<PlainSgd>(), named(*net)}}}, meeting, rank, 2,
                         {.scaling = AutocastPlan{.initial_scale = 1}});
            if (!scaled_beforehand) one.step.set_loss_unit(1);
            one.take(of_rank({{40'000, 30'000}}, size_t(rank)), 70'000);
            const auto& optimizer = dynamic_cast<PlainSgd&>(one.updates.at("")->optimizer());
            EXPECT_EQ(optimizer.steps, scaled_beforehand ? 1 : 0);
            EXPECT_EQ(one.observer.sums.at("overflow").first > 0, !scaled_beforehand);
        });
    }
}

// ---- other kinds of steps

TEST(Step, OfAClosureEvaluatesTheWholeLossAgain) {
    for (const Kind kind : {Kind::mean, Kind::one, Kind::predictions}) {
        const auto reference = std::make_shared<Net>();
        KindLoss loss(kind);
        const Expected first = large_batch(*reference, loss, 0, 7);
        {
            const at::NoGradGuard no_grad;
            for (const auto& item : reference->named_parameters())
                item.value().sub_(first.gradients.at(item.key()), 0.1);
        }
        const Expected second = large_batch(*reference, loss, 0, 7);
        for (const int size : {1, 2}) {
            const auto meeting = std::make_shared<Meeting>(size);
            run_ranks(size, [&](int rank) {
                const auto optimizer = std::make_shared<TwiceSgd>();
                StepRank one = make_rank(std::make_shared<Net>(), std::make_shared<KindLoss>(kind),
                                         optimizer, meeting, rank, size);
                one.take(of_rank(size == 1 ? Share{{7}} : Share{{4, 3}}, size_t(rank)), 7);
                ASSERT_EQ(optimizer->values.size(), 2U);
                EXPECT_NEAR(optimizer->values[0], first.losses.at("loss"), 1e-12);
                EXPECT_NEAR(optimizer->values[1], second.losses.at("loss"), 1e-12);
                EXPECT_EQ(one.device.seeds.size(), 3U);
                for (const uint64_t seed : one.device.seeds)
                    EXPECT_EQ(seed, one.device.seeds[0]) << "the same dropout each time";
            });
        }
    }
}

TEST(Step, OfAClosureLogsTheLossAtTheWeightsItBeganWith) {
    for (const Kind kind : {Kind::mean, Kind::one, Kind::predictions}) {
        const Expected first = [&] {
            KindLoss loss(kind);
            return large_batch(*std::make_shared<Net>(), loss, 0, 7);
        }();
        for (const int size : {1, 2}) {
            const auto meeting = std::make_shared<Meeting>(size);
            std::mutex mutex;
            double sum = 0, weight = 0;
            run_ranks(size, [&](int rank) {
                StepRank one = make_rank(std::make_shared<Net>(), std::make_shared<KindLoss>(kind),
                                         std::make_shared<TwiceSgd>(), meeting, rank, size);
                one.take(of_rank(size == 1 ? Share{{7}} : Share{{4, 3}}, size_t(rank)), 7);
                const std::lock_guard lock(mutex);
                sum += one.observer.sums.at("loss").first;
                weight += one.observer.sums.at("loss").second;
            });
            EXPECT_NEAR(sum / weight, first.losses.at("loss"), 1e-12);
        }
    }
}

/// Changes parameters as fused kernels do: autograd hears nothing of it.
class FusedSgd final : public PlainSgd {
  public:
    void step(const Tensor& scale, const Tensor& found_inf) override {
        std::vector<uint32_t> versions;
        const auto each = [&](auto action) {
            for (ParamGroup& group : groups())
                for (Tensor& parameter : group.params) action(parameter);
        };
        each([&](Tensor& parameter) { versions.push_back(uint32_t(parameter._version())); });
        PlainSgd::step(scale, found_inf);
        each([&, at = size_t(0)](Tensor& parameter) mutable {
            parameter.unsafeGetTensorImpl()->set_version_counter(
                c10::VariableVersion(versions[at++]));
        });
    }
};

/// Goes backward through `second` after its step.
class StaleGraph final : public Net {
  public:
    bool owns_step() const override { return true; }
    void train_step(StepContext& step) override {
        const Tensor both = forward(step.batch().tensor("input")).square().mean();
        step.update("second", [&] {
            return second(at::tanh(first(step.batch().tensor("input")))).square().mean();
        });
        step.update("first", [&] { return both; });
    }
};

TEST(Step, OfTheModelsOwnRefusesAGraphThroughParametersThatHaveChanged) {
    const auto net = std::make_shared<StaleGraph>();
    StepRank one(net, nullptr,
                 {{"first", {std::make_shared<FusedSgd>(), named(*net, "first")}},
                  {"second", {std::make_shared<FusedSgd>(), named(*net, "second")}}},
                 std::make_shared<Meeting>(1), 0, 1);
    try {
        one.take(of_rank({{4}}, 0), 4);
        FAIL() << "its gradients would be those of no weights that ever were";
    } catch (const std::exception& error) {
        EXPECT_NE(std::string(error.what()).find("modified by an inplace operation"),
                  std::string::npos)
            << error.what();
    }
}

/// Trains `first` by the mean over the samples, `second` by a mean over a weight of its own.
class TwoOptimizers final : public Net {
  public:
    bool owns_step() const override { return true; }
    void train_step(StepContext& step) override {
        const Batch& batch = step.batch();
        step.update("first", [&] {
            EXPECT_TRUE(first->weight.requires_grad());
            EXPECT_FALSE(second->weight.requires_grad());
            return forward(batch.tensor("input")).square().mean();
        });
        Tensor weight = batch.size > 0 ? batch.tensor("target").select(1, 0) : at::zeros({0});
        step.update(
            "second",
            [&] {
                const Tensor loss = forward(batch.tensor("input")).square().sum(1);
                return (loss * weight).sum() / weight.sum();
            },
            weight.sum().item<double>());
        if (batch.size > 0) step.output("seen", at::ones({}));
        step.record("weight", weight.mean());
    }
};

TEST(Step, OfTheModelsOwnUpdatesEachOptimizerByTheOneLargeBatch) {
    const auto reference = std::make_shared<Net>();
    const Batch all = samples(0, 9, 9);
    const Tensor weight = all.tensor("target").select(1, 0);
    const auto gradient = [&](const Tensor& loss, const Tensor& parameter) {
        return torch::autograd::grad({loss}, {parameter})[0];
    };
    const Tensor first =
        gradient(reference->forward(all.tensor("input")).square().mean(), reference->first->weight);
    {
        const at::NoGradGuard no_grad;
        // With its bias, which is trained too.
        const Tensor loss_bias = [&] {
            const torch::AutoGradMode grad(true);
            return gradient(reference->forward(all.tensor("input")).square().mean(),
                            reference->first->bias);
        }();
        reference->first->weight.sub_(first, 0.1);
        reference->first->bias.sub_(loss_bias, 0.1);
    }
    const Tensor second = gradient(
        (reference->forward(all.tensor("input")).square().sum(1) * weight).sum() / weight.sum(),
        reference->second->weight);
    for (const int size : {1, 2}) {
        const auto meeting = std::make_shared<Meeting>(size);
        run_ranks(size, [&](int rank) {
            const auto net = std::make_shared<TwoOptimizers>();
            StepRank one(net, nullptr,
                         {{"first", {std::make_shared<PlainSgd>(), named(*net, "first")}},
                          {"second", {std::make_shared<PlainSgd>(), named(*net, "second")}}},
                         meeting, rank, size);
            Tensor first_seen;
            one.observer.on_step = [&, seen = false]() mutable {
                if (!std::exchange(seen, true))
                    first_seen = one.observer.gradients.at("first.weight");
            };
            one.take(of_rank(size == 1 ? Share{{9}} : Share{{6, 3}}, size_t(rank)), 9);
            expect_close(first_seen, first, "first");
            expect_close(one.observer.gradients.at("second.weight"), second, "second");
            EXPECT_EQ(one.comm.collectives, 0) << "what is divided by is summed with the gradients";
        });
    }
}

TEST(Step, OfTheModelsOwnTellsTheNormOfEachOptimizer) {
    const auto net = std::make_shared<TwoOptimizers>();
    StepRank one(net, nullptr,
                 {{"first", {std::make_shared<PlainSgd>(), named(*net, "first")}},
                  {"second", {std::make_shared<PlainSgd>(), named(*net, "second")}}},
                 std::make_shared<Meeting>(1), 0, 1, {.clip = {.max_norm = 1e9}});
    std::vector<double> norms;
    one.observer.on_step = [&] { norms.push_back(one.step.grad_norm()); };
    one.take(of_rank({{9}}, 0), 9);
    ASSERT_EQ(norms.size(), 2U);
    const auto told = [&](const char* name) {
        const auto& [sum, weight] = one.observer.sums.at(name);
        return sum / weight;
    };
    EXPECT_NEAR(told("first_grad_norm"), norms[0], 1e-12);
    EXPECT_NEAR(told("second_grad_norm"), norms[1], 1e-12);
    EXPECT_FALSE(one.observer.sums.contains("grad_norm"));
}

TEST(Step, OfTheModelsOwnChangesTheScaleOnceAnIteration) {
    for (const bool overflows : {false, true}) {
        const auto net = std::make_shared<TwoOptimizers>();
        net->to(at::kFloat);
        StepRank one(
            net, nullptr,
            {{"first", {std::make_shared<PlainSgd>(), named(*net, "first")}},
             {"second", {std::make_shared<PlainSgd>(), named(*net, "second")}}},
            std::make_shared<Meeting>(1), 0, 1,
            {.scaling = AutocastPlan{.initial_scale = 8, .growth = 2, .growth_interval = 2}});
        // Of the first optimizer alone, in the first iteration.
        one.observer.on_backward = [&, calls = 0]() mutable {
            if (overflows && ++calls == 1)
                net->first->weight.mutable_grad()[0][0] = std::numeric_limits<float>::infinity();
        };
        std::vector<float> scales;
        for (int64_t iteration = 0; iteration < 4; ++iteration) {
            std::vector<Batch> batches = of_rank({{4}}, 0);
            for (auto& [name, field] : batches[0].fields)
                field = std::get<Tensor>(field).to(at::kFloat);
            one.take(std::move(batches), 4, iteration);
            scales.push_back(one.step.scaler()->scale().item<float>());
        }
        // As torch.amp.GradScaler with one update() an iteration.
        EXPECT_EQ(scales, overflows ? (std::vector<float>{4, 4, 8, 8})
                                    : (std::vector<float>{8, 16, 16, 32}));
    }
}

/// Of a table of which a batch takes a few rows, with gradients of these rows alone or of all.
class Table final : public Net {
  public:
    explicit Table(bool is_sparse) : is_sparse_(is_sparse) {
        rows = register_parameter("rows", at::arange(12, at::kDouble).view({6, 2}).sin());
    }
    bool owns_step() const override { return true; }
    void train_step(StepContext& step) override {
        step.update("rows", [&] {
            const Tensor chosen = at::arange(step.batch().size) % 4;
            return at::embedding(rows, chosen, -1, false, is_sparse_).square().sum(1).mean();
        });
    }
    Tensor rows;

  private:
    const bool is_sparse_;
};

TEST(Step, TakesASparseGradientAsADenseOneOnAnyNumberOfRanks) {
    std::vector<Tensor> trained;
    for (const bool is_sparse : {false, true})
        for (const int size : {1, 2}) {
            const auto meeting = std::make_shared<Meeting>(size);
            run_ranks(size, [&](int rank) {
                const auto net = std::make_shared<Table>(is_sparse);
                StepRank one(net, nullptr,
                             {{"rows", {std::make_shared<PlainSgd>(), named(*net, "rows")}}},
                             meeting, rank, size, {.clip = {.max_norm = 0.1, .max_value = 0.05}});
                one.take(of_rank(size == 1 ? Share{{8}} : Share{{4, 4}}, size_t(rank)), 8);
                if (rank == 0) trained.push_back(net->rows.detach().clone());
            });
        }
    for (const Tensor& rows : trained) expect_close(rows, trained[0], "rows");
}

TEST(Step, NamesTheOptimizersThatThereAre) {
    class Wrong final : public Net {
      public:
        bool owns_step() const override { return true; }
        void train_step(StepContext& step) override {
            step.update("thrid", [] { return Tensor(); });
        }
    };
    const auto net = std::make_shared<Wrong>();
    StepRank one(net, nullptr, {{"first", {std::make_shared<PlainSgd>(), named(*net, "first")}}},
                 std::make_shared<Meeting>(1), 0, 1);
    try {
        one.take(of_rank({{2}}, 0), 2);
        FAIL() << "no error";
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("no optimizer \"thrid\"; there are \"first\""),
                  std::string::npos)
            << error.what();
    }
}

// ---- what it tells, and draws

TEST(Step, TellsWhatHappensInOrder) {
    const auto meeting = std::make_shared<Meeting>(2);
    run_ranks(2, [&](int rank) {
        StepRank one = make_rank(std::make_shared<Net>(), std::make_shared<KindLoss>(Kind::mean),
                                 std::make_shared<PlainSgd>(), meeting, rank, 2);
        one.observer.flags = {double(rank), 1, 0};
        one.take(of_rank({{2, 2}, {2, 2}}, size_t(rank)), 8);
        EXPECT_EQ(one.observer.events,
                  (std::vector<std::string>{"after_backward", "after_backward",
                                            "gradients_complete", "before_step", "after_step"}));
        EXPECT_EQ(one.observer.noted, (std::vector<double>{1, 2, 0})) << "summed over the ranks";
        EXPECT_TRUE(one.step.done());
    });
}

/// On a device: all ranks hear of flags at the same time, whichever of them had to wait for it.
TEST(Step, HandsOnADevicesNumbersOneStepLaterOnAllRanks) {
    const auto meeting = std::make_shared<Meeting>(2);
    run_ranks(2, [&](int rank) {
        const auto net = std::make_shared<Net>();
        StepRank one =
            make_rank(net, std::make_shared<KindLoss>(Kind::one), std::make_shared<PlainSgd>(),
                      meeting, rank, 2, {.on_device = true});
        net->uses_apart = rank == 0;  // rank 1 has to look whether another has used it
        const auto take = [&](double flag, int64_t number) {
            one.observer.flags = {flag};
            one.take_unsettled(of_rank({{3, 4}}, size_t(rank)), 7, number);
        };
        take(1, 0);
        EXPECT_TRUE(one.observer.noted.empty());
        EXPECT_TRUE(one.observer.gradients.at("apart.weight").defined()) << "rank 0 uses it";
        take(5, 1);
        EXPECT_EQ(one.observer.noted, std::vector<double>{2}) << "those of the step before";
        one.step.settle();
        EXPECT_EQ(one.observer.noted, std::vector<double>{10});
        one.step.settle();
        net->uses_apart = false;
        take(0, 2);
        EXPECT_FALSE(one.observer.gradients.at("apart.weight").defined()) << "nobody uses it";
    });
}

TEST(Step, OnADeviceTellsOfUnusedParametersOneStepLater) {
    const auto meeting = std::make_shared<Meeting>(2);
    run_ranks(2, [&](int rank) {
        const auto net = std::make_shared<Net>();
        net->uses_apart = false;
        StepRank one =
            make_rank(net, std::make_shared<KindLoss>(Kind::mean), std::make_shared<PlainSgd>(),
                      meeting, rank, 2, {.find_unused_parameters = false, .on_device = true});
        one.take_unsettled(of_rank({{2, 2}}, size_t(rank)), 4, 7);
        EXPECT_THROW(one.step.settle(), Error);
    });
}

TEST(Step, DrawsByTheStepTheIterationAndTheRankAlone) {
    const auto seeds = [](int rank, int64_t number) {
        StepRank one =
            make_rank(std::make_shared<Net>(), std::make_shared<KindLoss>(Kind::mean),
                      std::make_shared<PlainSgd>(), std::make_shared<Meeting>(1), rank, 1);
        one.take(of_rank({{2}, {2}}, 0), 4, number);
        return one.device.seeds;
    };
    const std::vector<uint64_t> some = seeds(0, 3);
    ASSERT_EQ(some.size(), 2U);
    EXPECT_NE(some[0], some[1]);
    EXPECT_EQ(seeds(0, 3), some);
    EXPECT_NE(seeds(0, 4)[0], some[0]);
    EXPECT_NE(seeds(1, 3)[0], some[0]);
}

}  // namespace
}  // namespace ailab::test
