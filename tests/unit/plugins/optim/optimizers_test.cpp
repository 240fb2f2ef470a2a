// All optimizers but LBFGS: PyTorch's (timm's) trajectories, left-out steps and gradients, state.
#include <gtest/gtest.h>

#include "optimizer_problem.hpp"

namespace ailab {
namespace {

using test::contains;
using test::error_of;
using test::make;
using test::Problem;

/// One run of optimizers.py.
struct Reference {
    std::string json;
    nlohmann::json entry;

    bool leaves_out() const { return entry["leaves_out"]; }
    std::string type() const { return entry["type"]; }
    /// Muon's products are in bfloat16, whose sums different processors round differently.
    double tolerance(double usual) const { return type() == "Muon" ? 2e-3 : usual; }
};

std::vector<Reference> references() {
    std::vector<Reference> result;
    const nlohmann::json document = test::optimizer_references();
    for (const auto& entry : document.at("optimizers"))
        result.push_back({test::optimizer_json(entry["type"], entry["options"]), entry});
    return result;
}

/// Every run of the reference, told apart in messages by its configuration.
void for_each_reference(const std::function<void(const Reference&)>& check) {
    // More threads would only wait for each other: the tensors are tiny.
    at::set_num_threads(1);
    const std::vector<Reference> all = references();
    ASSERT_GE(all.size(), 45U);
    for (const Reference& reference : all) {
        SCOPED_TRACE(reference.json);
        check(reference);
    }
}

/// Trains to the last of the kept steps and compares there and before.
void follow(const Reference& reference, at::ScalarType type, const nlohmann::json& kept,
            double tolerance) {
    Problem problem(type);
    const auto optimizer = problem.optimizer(reference.json);
    size_t compared = 0;
    for (int step = 1; compared < kept.size(); ++step) {
        const std::string key = std::to_string(step);
        const auto& changes = reference.entry["changes"];
        if (changes.contains(key)) {
            for (ParamGroup& group : optimizer->groups()) {
                if (changes[key].contains("momentum") && group.initial_momentum)
                    group.momentum = changes[key]["momentum"];
                group.lr *= changes[key].value("lr_factor", 1.0);
            }
        }
        problem.set_gradients(step, reference.leaves_out());
        optimizer->step();
        if (!kept.contains(key)) continue;
        const std::vector<double> expected = kept[key], found = problem.numbers();
        ASSERT_EQ(found.size(), expected.size());
        for (size_t i = 0; i < found.size(); ++i)
            ASSERT_NEAR(found[i], expected[i], tolerance * std::max(1.0, std::abs(expected[i])))
                << "element " << i << " after step " << step;
        ++compared;
    }
}

TEST(Optimizers, FollowTheReferenceInDouble) {
    for_each_reference([](const Reference& reference) {
        follow(reference, at::kDouble, reference.entry["double"], reference.tolerance(1e-9));
    });
}

TEST(Optimizers, FollowTheReferenceInFloat) {
    for_each_reference([](const Reference& reference) {
        follow(reference, at::kFloat, reference.entry["float"], reference.tolerance(1e-5));
    });
}

TEST(Optimizers, GoOnFromASavedStateBitForBit) {
    for_each_reference([](const Reference& reference) {
        for (const at::ScalarType type : {at::kFloat, at::kDouble})
            for (const int saved_after : {3, 8}) {  // before and after the step without a gradient
                Problem straight(type), first(type), second(type);
                const auto whole = straight.optimizer(reference.json);
                const auto before = first.optimizer(reference.json);
                const auto after = second.optimizer(reference.json);
                auto schedule = [](Optimizer& optimizer, int step) {
                    for (ParamGroup& group : optimizer.groups()) {
                        group.lr = group.initial_lr / step;
                        if (group.initial_momentum)
                            group.momentum = *group.initial_momentum - 0.01 * step;
                    }
                };
                for (int step = 1; step <= 12; ++step) {
                    straight.set_gradients(step);
                    schedule(*whole, step);
                    whole->step();
                    Problem& now = step <= saved_after ? first : second;
                    Optimizer& optimizer = step <= saved_after ? *before : *after;
                    if (step == saved_after + 1) {
                        const at::NoGradGuard no_grad;
                        for (size_t k = 0; k < now.params.size(); ++k)
                            second.params[k].copy_(first.params[k]);
                        optimizer.load_state(before->save_state());
                    }
                    now.set_gradients(step);
                    schedule(optimizer, step);
                    optimizer.step();
                }
                EXPECT_EQ(second.numbers(), straight.numbers());
            }
    });
}

TEST(Optimizers, LeaveAStepOutWhenTheGradientsAreNotFinite) {
    for_each_reference([](const Reference& reference) {
        Problem with(at::kFloat), without(at::kFloat);
        const auto a = with.optimizer(reference.json);
        const auto b = without.optimizer(reference.json);
        const Tensor one = torch::ones({}), zero = torch::zeros({}), scale = torch::full({}, 4.0F);
        // Also in the first step, where the state begins, and about the step without a gradient.
        for (const int step : {1, 2, 3, 6, 7, 8}) {
            with.set_gradients(step);
            with.params[0].mutable_grad()[0] = std::numeric_limits<float>::infinity();
            a->step(scale, one);
            with.set_gradients(step, true, 4);
            without.set_gradients(step, true, 4);
            a->step(scale, zero);
            b->step(scale);
        }
        EXPECT_EQ(with.numbers(), without.numbers());
        const State left = a->save_state(), right = b->save_state();
        ASSERT_EQ(left.tensors.size(), right.tensors.size());
        for (const auto& [name, tensor] : left.tensors)
            EXPECT_TRUE(tensor.equal(right.tensors.at(name))) << name;
    });
}

TEST(Optimizers, DivideByTheScale) {
    for_each_reference([](const Reference& reference) {
        Problem scaled, plain;
        const auto a = scaled.optimizer(reference.json);
        const auto b = plain.optimizer(reference.json);
        for (int step = 1; step <= 8; ++step) {
            scaled.set_gradients(step, true, 8);
            plain.set_gradients(step);
            a->step(torch::full({}, 8.0F));
            b->step();
        }
        const auto x = scaled.numbers(), y = plain.numbers();
        for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], y[i], 1e-13);
    });
}

TEST(Optimizers, LeaveTheGradientsAsTheyAre) {
    for_each_reference([](const Reference& reference) {
        Problem problem;
        const auto optimizer = problem.optimizer(reference.json);
        for (int step = 1; step <= 3; ++step) {
            problem.set_gradients(step);
            std::vector<Tensor> before;
            for (const Tensor& param : problem.params) before.push_back(param.grad().clone());
            optimizer->step();
            for (size_t k = 0; k < before.size(); ++k)
                EXPECT_TRUE(problem.params[k].grad().equal(before[k])) << step << " " << k;
        }
    });
}

TEST(Optimizers, SkipParametersWithoutAGradient) {
    for_each_reference([](const Reference& reference) {
        Problem problem;
        const auto optimizer = problem.optimizer(reference.json);
        const std::vector<double> start = problem.numbers();
        problem.set_gradients(1);
        for (const size_t k : {0, 2}) problem.params[k].mutable_grad() = Tensor();
        optimizer->step();
        const std::vector<double> now = problem.numbers();
        for (size_t i = 0; i < now.size(); ++i) {
            const bool in_weight = i >= 12 && i < 20;
            if (!in_weight) EXPECT_EQ(now[i], start[i]) << i;
        }
        EXPECT_NE(now, start);
        problem.set_gradients(2);
        optimizer->step();
        const State state = optimizer->save_state();
        EXPECT_EQ(state.tensors.at("step/matrix").item<float>(), 1);
        EXPECT_EQ(state.tensors.at("step/weight").item<float>(), 2);
        EXPECT_EQ(state.tensors.at("step/vector").item<float>(), 1);
    });
}

TEST(Optimizers, TakeWeightsInAnyOrderOfMemory) {
    for_each_reference([](const Reference& reference) {
        // A channels_last weight with a gradient that lies otherwise, and a transposed matrix.
        const Tensor weight = torch::rand({4, 3, 2, 2}, at::kDouble);
        const Tensor matrix = torch::rand({3, 5}, at::kDouble);
        std::vector<Tensor> weights, matrices;
        for (const bool turned : {false, true}) {
            const auto format =
                turned ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
            Tensor w = weight.clone(format).requires_grad_();
            Tensor m = (turned ? matrix.t().contiguous().t() : matrix.clone()).requires_grad_();
            auto optimizer = make<Optimizer>(reference.json);
            optimizer->add_group({.names = {"w", "m"},
                                  .params = {w, m},
                                  .lr = optimizer->default_lr(),
                                  .weight_decay = optimizer->default_weight_decay()});
            for (int step = 0; step < 3; ++step) {
                w.mutable_grad() = (weight - 0.4 * (step + 1)).contiguous();
                m.mutable_grad() = (matrix - 0.3 * (step + 1)).contiguous();
                optimizer->step();
            }
            EXPECT_TRUE(w.is_contiguous(format));
            weights.push_back(w.detach());
            matrices.push_back(m.detach());
        }
        EXPECT_FALSE(weights[0].equal(weight));
        EXPECT_FALSE(matrices[0].equal(matrix));
        const double tolerance = reference.tolerance(1e-12);
        EXPECT_TRUE(weights[0].allclose(weights[1], 0, tolerance));
        EXPECT_TRUE(matrices[0].allclose(matrices[1], 0, tolerance));
    });
}

TEST(Optimizers, TakeParametersOfSeveralDtypes) {
    for_each_reference([](const Reference& reference) {
        Problem mixed, alone;
        mixed.params[0] = mixed.params[0].detach().to(at::kFloat).requires_grad_();
        mixed.params[2] = mixed.params[2].detach().to(at::kBFloat16).requires_grad_();
        const auto a = mixed.optimizer(reference.json);
        const auto b = alone.optimizer(reference.json);
        const std::vector<double> start = mixed.numbers();
        for (int step = 1; step <= 5; ++step) {
            mixed.set_gradients(step);
            alone.set_gradients(step);
            a->step();
            b->step();
        }
        for (size_t k = 0; k < 3; ++k)
            EXPECT_TRUE(mixed.params[k].isfinite().all().item<bool>()) << k;
        EXPECT_NE(mixed.numbers(), start);
        // LAMB's limit on the norm of all gradients ties the parameters together, here within
        // rounding.
        EXPECT_TRUE(mixed.params[1].allclose(alone.params[1], 0, 1e-2));
        if (reference.type() != "LAMB") EXPECT_TRUE(mixed.params[1].equal(alone.params[1]));
        EXPECT_TRUE(mixed.params[0].to(at::kDouble).allclose(alone.params[0], 0, 1e-2));
    });
}

struct KeptNames {
    const char* json;
    std::vector<std::string> of_matrix;
    std::vector<std::string> of_vector;
};

TEST(OptimizerState, HasPyTorchsNames) {
    const std::vector<std::string> adam = {"exp_avg", "exp_avg_sq", "step"};
    const std::vector<KeptNames> table = {
        {R"({"type": "SGD"})", {"step"}, {"step"}},
        {R"({"type": "SGD", "momentum": 0.9})",
         {"momentum_buffer", "step"},
         {"momentum_buffer", "step"}},
        {R"({"type": "Adam"})", adam, adam},
        {R"({"type": "Adam", "amsgrad": true})",
         {"exp_avg", "exp_avg_sq", "max_exp_avg_sq", "step"},
         {"exp_avg", "exp_avg_sq", "max_exp_avg_sq", "step"}},
        {R"({"type": "AdamW"})", adam, adam},
        {R"({"type": "Adagrad"})", {"step", "sum"}, {"step", "sum"}},
        {R"({"type": "Adadelta"})",
         {"acc_delta", "square_avg", "step"},
         {"acc_delta", "square_avg", "step"}},
        {R"({"type": "Adamax"})", {"exp_avg", "exp_inf", "step"}, {"exp_avg", "exp_inf", "step"}},
        {R"({"type": "NAdam"})",
         {"exp_avg", "exp_avg_sq", "mu_product", "step"},
         {"exp_avg", "exp_avg_sq", "mu_product", "step"}},
        {R"({"type": "RAdam"})", adam, adam},
        {R"({"type": "ASGD"})", {"ax", "eta", "mu", "step"}, {"ax", "eta", "mu", "step"}},
        {R"({"type": "RMSprop"})", {"square_avg", "step"}, {"square_avg", "step"}},
        {R"({"type": "RMSprop", "momentum": 0.9, "centered": true})",
         {"grad_avg", "momentum_buffer", "square_avg", "step"},
         {"grad_avg", "momentum_buffer", "square_avg", "step"}},
        {R"({"type": "Rprop"})", {"prev", "step", "step_size"}, {"prev", "step", "step_size"}},
        {R"({"type": "Adafactor"})", {"col_var", "row_var", "step"}, {"step", "variance"}},
        {R"({"type": "Muon"})", {"momentum_buffer", "step"}, adam},
        {R"({"type": "Lion"})", {"exp_avg", "step"}, {"exp_avg", "step"}},
        {R"({"type": "LAMB"})", adam, adam},
    };
    for (const KeptNames& row : table) {
        Problem problem;
        const auto optimizer = problem.optimizer(row.json);
        EXPECT_TRUE(optimizer->save_state().tensors.empty()) << "made with the first step";
        problem.set_gradients(1);
        optimizer->step();
        std::vector<std::string> of_matrix, of_vector;
        for (const auto& [name, tensor] : optimizer->save_state().tensors) {
            const std::string kind = name.substr(0, name.find('/'));
            if (name == kind + "/matrix") of_matrix.push_back(kind);
            if (name == kind + "/vector") of_vector.push_back(kind);
        }
        EXPECT_EQ(of_matrix, row.of_matrix) << row.json;
        EXPECT_EQ(of_vector, row.of_vector) << row.json;
    }
}

TEST(OptimizerState, ThatDoesNotFitIsRefused) {
    Problem problem;
    const auto optimizer = problem.optimizer(R"({"type": "Adam"})");
    problem.set_gradients(1);
    optimizer->step();
    const State good = optimizer->save_state();
    struct Case {
        std::function<void(State&)> change;
        std::string complaint;
    };
    const std::vector<Case> table = {
        {[](State&) {}, ""},
        {[](State& s) { s.tensors["exp_avg/matrix"] = torch::zeros({7}); },
         "the saved state of parameter matrix does not fit: exp_avg has the shape [7] instead "
         "of [3, 4]"},
        {[](State& s) { s.tensors.erase("exp_avg_sq/vector"); },
         "the saved state of parameter vector does not fit: exp_avg_sq is missing"},
        {[](State& s) { s.tensors["exp_avg/c"] = torch::zeros({3}); },
         "the saved state has 1 tensor(s) that this optimizer has no place for, such as exp_avg/c"},
    };
    for (const Case& c : table) {
        State state = good;
        c.change(state);
        Problem other;
        const auto fresh = other.optimizer(R"({"type": "Adam"})");
        EXPECT_EQ(error_of([&] { fresh->load_state(state); }), c.complaint);
    }
}

TEST(OptimizerState, OfScalarsThatDoesNotFitIsRefused) {
    Problem problem;
    const auto optimizer = problem.optimizer(R"({"type": "NAdam"})");
    problem.set_gradients(1);
    optimizer->step();
    State state = optimizer->save_state();
    state.tensors["mu_product/vector"] = torch::zeros({2});
    EXPECT_EQ(error_of([&] { optimizer->load_state(state); }),
              "the saved state of parameter vector does not fit: mu_product is not a single "
              "number");
    state.tensors.erase("mu_product/vector");
    EXPECT_EQ(error_of([&] { optimizer->load_state(state); }),
              "the saved state of parameter vector does not fit: mu_product is missing");
}

// A run that goes on keeps the groups of its checkpoint, whatever the options say now.
TEST(OptimizerGroups, AloneGiveTheRateAndTheDecay) {
    for_each_reference([](const Reference& reference) {
        nlohmann::json options = reference.entry["options"];
        for (const char* name : {"lr", "weight_decay", "adamw_lr", "adamw_weight_decay"})
            if (options.contains(name)) options[name] = 3 * options[name].get<double>();
        Problem first, second;
        const auto before = first.optimizer(reference.json);
        const auto now = second.optimizer(test::optimizer_json(reference.entry["type"], options));
        ASSERT_EQ(now->groups().size(), before->groups().size());
        for (size_t i = 0; i < now->groups().size(); ++i) {
            ParamGroup& group = now->groups()[i];
            const ParamGroup& kept = before->groups()[i];
            EXPECT_EQ(group.names, kept.names);
            group.lr = kept.lr;
            group.initial_lr = kept.initial_lr;
            group.weight_decay = kept.weight_decay;
        }
        for (int step = 1; step <= 5; ++step) {
            first.set_gradients(step);
            before->step();
            second.set_gradients(step);
            now->step();
        }
        EXPECT_EQ(second.numbers(), first.numbers());
    });
}

TEST(OptimizerGroups, MayDifferInLearningRateAndMomentum) {
    Tensor a = torch::ones({2}).requires_grad_();
    Tensor b = torch::ones({2}).requires_grad_();
    auto optimizer = make<Optimizer>(R"({"type": "SGD", "momentum": 0.5})");
    optimizer->add_group({.names = {"a"}, .params = {a}, .lr = 1});
    optimizer->add_group({.names = {"b"}, .params = {b}, .lr = 10, .momentum = 0.25});
    for (int step = 0; step < 2; ++step) {
        for (Tensor* t : {&a, &b}) t->mutable_grad() = torch::ones_like(*t).detach();
        optimizer->step();
    }
    EXPECT_EQ(a[0].item<double>(), 1 - 1 - 1.5);
    EXPECT_EQ(b[0].item<double>(), 1 - 10 - 12.5);
}

/// A schedule may move the momentum to 0 and back; the buffer rests meanwhile, as in PyTorch.
TEST(OptimizerGroups, MayHaveTheirMomentumSwitchedOff) {
    Tensor a = torch::zeros({1}, at::kDouble).requires_grad_();
    auto optimizer = make<Optimizer>(R"({"type": "SGD", "momentum": 0.5, "nesterov": true})");
    optimizer->add_group({.names = {"a"}, .params = {a}, .lr = 1, .momentum = 0.5});
    std::vector<double> steps;
    for (const double momentum : {0.5, 0.0, 0.5}) {
        optimizer->groups()[0].momentum = momentum;
        a.mutable_grad() = torch::ones({1}, at::kDouble);
        const double before = a.item<double>();
        optimizer->step();
        steps.push_back(before - a.item<double>());
    }
    // buffers 1, (1), 1.5; Nesterov adds momentum times the buffer to the gradient
    EXPECT_EQ(steps, (std::vector<double>{1.5, 1, 1.75}));
}

}  // namespace
}  // namespace ailab
