// Adam, AdamW and SGD against PyTorch's numbers (reference.py), and their state.
#include <gtest/gtest.h>

#include "make_module.hpp"

namespace ailab {
namespace {

using test::error_of;
using test::make;

/// Two parameters, and the gradients of step 0, 1, … as reference.py has them.
struct Problem {
    std::vector<Tensor> params;

    explicit Problem(at::ScalarType type = at::kDouble) {
        params = {torch::tensor({0.5, -1.0, 2.0}, type).requires_grad_(),
                  torch::tensor({1.0, -0.25, 0.125, 3.0}, type).reshape({2, 2}).requires_grad_()};
    }
    std::shared_ptr<Optimizer> optimizer(const std::string& json) {
        auto made = make<Optimizer>(json);
        made->add_group({.names = {"a", "b"},
                         .params = params,
                         .lr = made->default_lr(),
                         .initial_lr = made->default_lr(),
                         .weight_decay = made->default_weight_decay()});
        return made;
    }
    void set_gradients(int step) {
        for (size_t k = 0; k < params.size(); ++k) {
            const Tensor n =
                torch::arange(params[k].numel(), params[k].options().requires_grad(false))
                    .reshape(params[k].sizes());
            const double sign = (size_t(step) + k) % 2 == 0 ? 1 : -1;
            params[k].mutable_grad() = 0.25 * sign * (n + 1) - 0.125 * step * (n - 1);
        }
        if (step == 2) params[1].mutable_grad() = Tensor();
    }
    std::vector<double> numbers() const {
        std::vector<double> result;
        for (const Tensor& p : params) {
            const Tensor flat = p.detach().to(at::kDouble).flatten();
            for (int64_t i = 0; i < flat.numel(); ++i) result.push_back(flat[i].item<double>());
        }
        return result;
    }
};

struct Reference {
    const char* name;
    const char* json;
    std::vector<double> numbers;
};

void PrintTo(const Reference& r, std::ostream* out) {
    *out << r.name;
}

class Optimizers : public testing::TestWithParam<Reference> {};

TEST_P(Optimizers, GivePyTorchsNumbers) {
    Problem problem;
    const auto optimizer = problem.optimizer(GetParam().json);
    for (int step = 0; step < 5; ++step) {
        problem.set_gradients(step);
        optimizer->step();
    }
    const std::vector<double> found = problem.numbers();
    for (size_t i = 0; i < found.size(); ++i)
        EXPECT_NEAR(found[i], GetParam().numbers[i], 1e-14) << i;
}

TEST_P(Optimizers, GoOnFromASavedStateBitForBit) {
    for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
        Problem straight(type), first(type), second(type);
        const auto whole = straight.optimizer(GetParam().json);
        const auto before = first.optimizer(GetParam().json);
        const auto after = second.optimizer(GetParam().json);
        for (int step = 0; step < 6; ++step) {
            straight.set_gradients(step);
            whole->groups()[0].lr = 0.1 / (step + 1);
            whole->step();
            Problem& now = step < 3 ? first : second;
            Optimizer& optimizer = step < 3 ? *before : *after;
            if (step == 3) {
                const at::NoGradGuard no_grad;
                for (size_t k = 0; k < 2; ++k) second.params[k].copy_(first.params[k]);
                optimizer.load_state(before->save_state());
                EXPECT_EQ(optimizer.groups()[0].lr, 0.1 / 3);
            }
            now.set_gradients(step);
            optimizer.groups()[0].lr = 0.1 / (step + 1);
            optimizer.step();
        }
        EXPECT_EQ(second.numbers(), straight.numbers());
    }
}

TEST_P(Optimizers, LeaveAStepOutWhenTheGradientsAreNotFinite) {
    Problem with(at::kFloat), without(at::kFloat);
    const auto a = with.optimizer(GetParam().json);
    const auto b = without.optimizer(GetParam().json);
    const Tensor one = torch::ones({}), zero = torch::zeros({}), scale = torch::full({}, 4.0F);
    // Also in the first step, where the state begins.
    for (int step : {0, 1, 3}) {
        with.set_gradients(step);
        with.params[0].mutable_grad()[0] = std::numeric_limits<float>::infinity();
        a->step(scale, one);
        for (Problem* p : {&with, &without}) {
            p->set_gradients(step);
            for (Tensor& param : p->params) param.mutable_grad().mul_(4);
        }
        a->step(scale, zero);
        b->step(scale);
    }
    EXPECT_EQ(with.numbers(), without.numbers());
}

TEST_P(Optimizers, DivideByTheScale) {
    Problem scaled(at::kDouble), plain(at::kDouble);
    const auto a = scaled.optimizer(GetParam().json);
    const auto b = plain.optimizer(GetParam().json);
    for (int step = 0; step < 3; ++step) {
        scaled.set_gradients(step);
        plain.set_gradients(step);
        for (Tensor& param : scaled.params)
            if (param.grad().defined()) param.mutable_grad().mul_(8);
        a->step(torch::full({}, 8.0F));
        b->step();
    }
    const auto x = scaled.numbers(), y = plain.numbers();
    for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], y[i], 1e-14);
}

INSTANTIATE_TEST_SUITE_P(
    All, Optimizers,
    testing::Values(
        Reference{"Adam",
                  R"({"type": "Adam", "lr": 0.1})",
                  {0.16564896902635604, -1.1434945203939872, 1.9416179216945204, 0.945163779292036,
                   -0.19493207502227214, 0.24263832654445916, 3.1496513226882135}},
        Reference{"Adam_weight_decay",
                  R"({"type": "Adam", "lr": 0.05, "betas": [0.8, 0.95], "eps": 1e-6,
                      "weight_decay": 0.1})",
                  {0.3124799793680201, -1.027088649668096, 1.9304564367689263, 0.9410382588314291,
                   -0.22179531588265067, 0.1763935135120212, 3.0245506054003997}},
        Reference{"Adam_amsgrad_maximize",
                  R"({"type": "Adam", "lr": 0.1, "amsgrad": true, "maximize": true})",
                  {0.8343510309736439, -0.8565054796060124, 2.0583820783054794, 1.054836220707964,
                   -0.3050679249777279, 0.007361673455540826, 2.8503486773117865}},
        Reference{"AdamW",
                  R"({"type": "AdamW", "lr": 0.1})",
                  {0.1638298076443338, -1.1380590217631137, 1.9320022772129146, 0.9409826114740483,
                   -0.1941825316626974, 0.24185192647604964, 3.1373575220289194}},
        Reference{"AdamW_amsgrad",
                  R"({"type": "AdamW", "lr": 0.1, "weight_decay": 0.2, "amsgrad": true})",
                  {0.130846257622823, -1.0387371706175015, 1.7565306363115498, 0.8638924522390363,
                   -0.1803920658280011, 0.2273060058095171, 2.910636625791441}},
        Reference{
            "SGD", R"({"type": "SGD", "lr": 0.1})", {0.35, -1.05, 2.05, 0.9, -0.25, 0.225, 3.2}},
        Reference{"SGD_momentum",
                  R"({"type": "SGD", "lr": 0.1, "momentum": 0.9, "dampening": 0.5,
                      "weight_decay": 0.01})",
                  {0.29792446039097337, -1.1550711225041406, 1.8531992742565515, 0.9569876193844999,
                   -0.16690611336878128, 0.32406293823439064, 3.299436273462875}},
        Reference{"SGD_nesterov",
                  R"({"type": "SGD", "lr": 0.1, "momentum": 0.9, "nesterov": true,
                      "maximize": true})",
                  {0.914276, -0.8390255, 1.907673, 1.24346, -0.242305, -0.10307, 2.536165}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(OptimizerDefaults, ArePyTorchs) {
    EXPECT_EQ(make<Optimizer>(R"({"type": "Adam"})")->default_lr(), 1e-3);
    EXPECT_EQ(make<Optimizer>(R"({"type": "Adam"})")->default_weight_decay(), 0);
    EXPECT_EQ(make<Optimizer>(R"({"type": "AdamW"})")->default_weight_decay(), 1e-2);
    EXPECT_EQ(make<Optimizer>(R"({"type": "SGD"})")->default_lr(), 1e-3);
}

TEST(OptimizerOptions, AreChecked) {
    EXPECT_NE(error_of([] {
                  make<Optimizer>(R"({"type": "Adam", "betas": [0.9]})");
              }).find("betas takes 2 numbers, got 1"),
              std::string::npos);
    EXPECT_NE(error_of([] {
                  make<Optimizer>(R"({"type": "SGD", "nesterov": true})");
              }).find("nesterov needs a momentum above 0 and no dampening"),
              std::string::npos);
    for (const char* bad :
         {R"({"type": "Adam", "betas": [0.9, 1.0]})", R"({"type": "Adam", "lr": -1})",
          R"({"type": "SGD", "momentum": -1})", R"({"type": "AdamW", "eps": -1})"})
        EXPECT_THROW(make<Optimizer>(bad), ConfigError) << bad;
}

TEST(OptimizerState, IsNamedByParameter) {
    Problem problem;
    const auto optimizer = problem.optimizer(R"({"type": "Adam", "amsgrad": true})");
    EXPECT_TRUE(optimizer->save_state().tensors.empty()) << "made with the first step";
    problem.set_gradients(2);  // of the first parameter alone
    optimizer->step();
    problem.set_gradients(3);
    optimizer->step();
    const State state = optimizer->save_state();
    std::vector<std::string> names;
    for (const auto& [name, tensor] : state.tensors) names.push_back(name);
    EXPECT_EQ(names, (std::vector<std::string>{"exp_avg/a", "exp_avg/b", "exp_avg_sq/a",
                                               "exp_avg_sq/b", "max_exp_avg_sq/a",
                                               "max_exp_avg_sq/b", "step/a", "step/b"}));
    EXPECT_EQ(state.tensors.at("step/a").item<float>(), 2);
    EXPECT_EQ(state.tensors.at("step/b").item<float>(), 1);
    EXPECT_EQ(state.values.flow(), "{groups: [{lr: 0.001, initial_lr: 0.001, weight_decay: 0.0}]}");
}

TEST(OptimizerState, ThatDoesNotFitIsRefused) {
    Problem problem;
    const auto optimizer = problem.optimizer(R"({"type": "Adam"})");
    problem.set_gradients(0);
    optimizer->step();
    const State good = optimizer->save_state();
    struct Case {
        std::function<void(State&)> change;
        std::string complaint;
    };
    const std::vector<Case> table = {
        {[](State&) {}, ""},
        {[](State& s) { s.tensors["exp_avg/a"] = torch::zeros({7}); },
         "the saved state of parameter a does not fit: exp_avg has the shape [7], the parameter "
         "[3]"},
        {[](State& s) { s.tensors.erase("exp_avg_sq/b"); },
         "the saved state of parameter b does not fit: exp_avg_sq is missing"},
        {[](State& s) { s.tensors["exp_avg/c"] = torch::zeros({3}); },
         "the saved state has 1 tensor(s) that this optimizer has no place for, such as exp_avg/c"},
        {[](State& s) { s.values = Node::map(); },
         "the saved state is of an optimizer with 0 parameter group(s); this one has 1"},
        {[](State& s) { s.values.find("groups")->items()[0] = Node::map(); },
         "the saved state of parameter group 0 has no lr"},
    };
    for (const Case& c : table) {
        State state = good;
        c.change(state);
        Problem other;
        const auto fresh = other.optimizer(R"({"type": "Adam"})");
        EXPECT_EQ(error_of([&] { fresh->load_state(state); }), c.complaint);
    }
}

TEST(OptimizerMemory, MayLieInAnyOrder) {
    // A channels_last weight with a gradient that lies otherwise.
    const Tensor plain = torch::rand({4, 3, 2, 2});
    const Tensor grad = torch::rand({4, 3, 2, 2});
    std::vector<Tensor> results;
    for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
        Tensor param = plain.clone(format).requires_grad_();
        auto optimizer = make<Optimizer>(R"({"type": "AdamW", "lr": 0.1})");
        optimizer->add_group({.names = {"w"}, .params = {param}, .lr = 0.1});
        for (int step = 0; step < 3; ++step) {
            param.mutable_grad() = grad.clone();
            optimizer->step();
        }
        EXPECT_TRUE(param.is_contiguous(format));
        results.push_back(param.detach());
    }
    EXPECT_TRUE(results[0].equal(results[1]));
}

TEST(OptimizerGroups, MayDifferInLearningRateAndDtype) {
    Tensor a = torch::ones({2}).requires_grad_();
    Tensor b = torch::ones({2}, at::kDouble).requires_grad_();
    Tensor c = torch::ones({2}).requires_grad_();
    auto optimizer = make<Optimizer>(R"({"type": "SGD"})");
    optimizer->add_group({.names = {"a", "b"}, .params = {a, b}, .lr = 1});
    optimizer->add_group({.names = {"c"}, .params = {c}, .lr = 10});
    for (Tensor* t : {&a, &b, &c}) t->mutable_grad() = torch::ones_like(*t).detach();
    optimizer->step();
    EXPECT_EQ(a[0].item<double>(), 0);
    EXPECT_EQ(b[0].item<double>(), 0);
    EXPECT_EQ(c[0].item<double>(), -9);
}

}  // namespace
}  // namespace ailab
