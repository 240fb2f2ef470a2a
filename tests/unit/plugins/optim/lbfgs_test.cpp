// LBFGS against PyTorch's paths (tests/reference/optimizers.py), and its state.
#include <gtest/gtest.h>

#include "optimizer_problem.hpp"

namespace ailab {
namespace {

using test::contains;
using test::error_of;
using test::make;
using test::Problem;

Tensor loss_of(const std::string& name, const Tensor& x) {
    if (name == "quartic") {
        const Tensor n = torch::arange(x.numel(), x.options().requires_grad(false));
        return ((0.25 + 0.1 * n.remainder(4)) * (x - (n.remainder(3) - 1)).square() +
                0.25 * x.pow(4))
                   .sum() +
               x.mean().square();
    }
    const Tensor first = x.slice(0, 0, -1), second = x.slice(0, 1);  // Rosenbrock's function
    return (100 * (second - first.square()).square() + (1 - first).square()).sum();
}

/// What the core gives to step(): the loss and, as a side effect, the gradients.
std::function<double()> closure(Problem& problem, const std::string& loss_name,
                                std::vector<double>* evaluations = nullptr) {
    return [=, &problem] {
        std::vector<Tensor> flat;
        for (Tensor& param : problem.params) {
            param.mutable_grad() = Tensor();
            flat.push_back(param.flatten());
        }
        const Tensor loss = loss_of(loss_name, at::cat(flat));
        loss.backward();
        if (evaluations) evaluations->push_back(loss.item<double>());
        return loss.item<double>();
    };
}

/// Every run of the reference, told apart in messages by its configuration.
void for_each_reference(
    const std::function<void(const nlohmann::json& entry, const std::string& json)>& check) {
    const nlohmann::json document = test::optimizer_references();
    ASSERT_EQ(document.at("lbfgs").size(), 6U);
    for (const auto& entry : document.at("lbfgs")) {
        const std::string json = test::optimizer_json("LBFGS", entry["options"]);
        SCOPED_TRACE(json);
        check(entry, json);
    }
}

TEST(Lbfgs, FollowsPyTorchsPath) {
    for_each_reference([](const nlohmann::json& entry, const std::string& json) {
        const std::string loss_name = entry["loss"];
        const std::vector<std::vector<double>> path = entry["path"];
        const std::vector<double> expected_losses = entry["evaluations"];
        Problem problem;
        std::vector<double> losses;
        const auto optimizer = problem.optimizer(json);
        for (const auto& expected : path) {
            optimizer->step(closure(problem, loss_name, &losses));
            const std::vector<double> found = problem.numbers();
            ASSERT_EQ(found.size(), expected.size());
            for (size_t i = 0; i < found.size(); ++i)
                ASSERT_NEAR(found[i], expected[i], 1e-9 * std::max(1.0, std::abs(expected[i])))
                    << i;
        }
        ASSERT_EQ(losses.size(), expected_losses.size());
        for (size_t i = 0; i < losses.size(); ++i)
            EXPECT_NEAR(losses[i], expected_losses[i], 1e-9 * expected_losses[i]) << i;
        EXPECT_EQ(optimizer->save_state().values.find("func_evals")->as_int(),
                  int64_t(losses.size()));
    });
}

TEST(Lbfgs, GoesOnFromASavedStateBitForBit) {
    for_each_reference([](const nlohmann::json& entry, const std::string& json) {
        const std::string loss_name = entry["loss"];
        for (const at::ScalarType type : {at::kFloat, at::kDouble})
            for (const int saved_after : {0, 1, 2}) {
                Problem straight(type), first(type), second(type);
                const auto whole = straight.optimizer(json);
                const auto before = first.optimizer(json);
                const auto after = second.optimizer(json);
                for (int step = 0; step < 4; ++step) {
                    whole->step(closure(straight, loss_name));
                    if (step == saved_after) {
                        const at::NoGradGuard no_grad;
                        for (size_t k = 0; k < second.params.size(); ++k)
                            second.params[k].copy_(first.params[k]);
                        after->load_state(before->save_state());
                    }
                    if (step < saved_after)
                        before->step(closure(first, loss_name));
                    else
                        after->step(closure(second, loss_name));
                }
                EXPECT_EQ(second.numbers(), straight.numbers()) << saved_after;
            }
    });
}

TEST(LbfgsStep, NeedsAClosure) {
    Problem problem;
    const auto optimizer = problem.optimizer(R"({"type": "LBFGS"})");
    problem.set_gradients(1);
    EXPECT_TRUE(contains(error_of([&] { optimizer->step(); }), "it needs step(closure)"));
}

TEST(LbfgsStep, TakesOneGroupOfOneDtype) {
    Problem problem;
    auto optimizer = problem.optimizer(R"({"type": "LBFGS"})");
    optimizer->add_group({.names = {"more"}, .params = {torch::ones({1}).requires_grad_()}});
    EXPECT_EQ(error_of([&] { optimizer->step([] { return 0.0; }); }),
              "LBFGS takes one parameter group, got 2");
    problem.params[1] = problem.params[1].detach().to(at::kFloat).requires_grad_();
    optimizer = problem.optimizer(R"({"type": "LBFGS"})");
    EXPECT_EQ(error_of([&] { optimizer->step([] { return 0.0; }); }),
              "LBFGS takes parameters of one dtype and device: weight differs from matrix");
}

TEST(LbfgsStep, StopsWhereTheGradientVanishes) {
    Problem problem;
    const auto optimizer = problem.optimizer(R"({"type": "LBFGS"})");
    const std::vector<double> start = problem.numbers();
    int evaluations = 0;
    optimizer->step([&] {
        for (Tensor& param : problem.params)
            param.mutable_grad() = torch::zeros_like(param.detach());
        ++evaluations;
        return 1.0;
    });
    EXPECT_EQ(evaluations, 1);
    EXPECT_EQ(problem.numbers(), start);
}

TEST(LbfgsStep, TakesAParameterWithoutAGradientAsAtItsMinimum) {
    Problem problem;
    const auto optimizer = problem.optimizer(R"({"type": "LBFGS", "max_iter": 3})");
    const Tensor vector = problem.params[2].detach().clone();
    optimizer->step([&] {
        problem.set_gradients(7);  // leaves the vector out
        return 1.0;
    });
    EXPECT_TRUE(problem.params[2].equal(vector));
}

TEST(LbfgsState, ThatDoesNotFitIsRefused) {
    const std::string json = R"({"type": "LBFGS", "max_iter": 4, "lr": 0.2})";
    Problem problem;
    const auto optimizer = problem.optimizer(json);
    optimizer->step(closure(problem, "quartic"));
    const State good = optimizer->save_state();
    struct Case {
        std::function<void(State&)> change;
        std::string complaint;
    };
    const std::vector<Case> table = {
        {[](State&) {}, ""},
        {[](State& s) { s.values = Node::map(); },
         "the saved state is not one of LBFGS: it has no n_iter"},
        {[](State& s) { s.values.find("params")->items()[1] = Node::string("vector"); },
         "the saved state of LBFGS has the parameters in another order: number 2 is vector there "
         "and weight here"},
        {[](State& s) { s.values.find("params")->items().pop_back(); },
         "the saved state of LBFGS has the parameters in another order: number 3 is none there "
         "and vector here"},
        {[](State& s) { s.values.set("n_iter", Node(0.5)); },
         "the saved state is not one of LBFGS: it has no n_iter"},
        {[](State& s) { s.tensors.erase("d"); },
         "the saved state is not one of LBFGS: it has no d"},
        {[](State& s) { s.tensors["d"] = torch::zeros({7}); },
         "the saved state does not fit: d has the shape [7] instead of [23]"},
        {[](State& s) { s.tensors["old_dirs"] = torch::zeros({7}); },
         "the saved state does not fit: old_dirs has the shape [7] instead of [3, 23]"},
        {[](State& s) { s.tensors["ro"] = torch::zeros({101}); },
         "the saved state has 101 corrections, more than history_size 100"},
    };
    for (const Case& c : table) {
        State state = good;
        c.change(state);
        Problem other;
        EXPECT_EQ(error_of([&] { other.optimizer(json)->load_state(state); }), c.complaint);
    }
}

}  // namespace
}  // namespace ailab
