// What the optimizers' options are by default, and what is refused.
#include <gtest/gtest.h>

#include "plugins/make_module.hpp"

namespace ailab {
namespace {

using test::contains;
using test::error_of;
using test::make;

struct Defaults {
    const char* type;
    double lr;
    double weight_decay;
    std::optional<double> momentum;
};

TEST(OptimizerDefaults, ArePyTorchsAndTimms) {
    const std::vector<Defaults> table = {
        {"SGD", 1e-3, 0, {}},      {"Adam", 1e-3, 0, 0.9},    {"AdamW", 1e-3, 1e-2, 0.9},
        {"Adagrad", 1e-2, 0, {}},  {"Adadelta", 1, 0, {}},    {"Adamax", 2e-3, 0, 0.9},
        {"NAdam", 2e-3, 0, 0.9},   {"RAdam", 1e-3, 0, 0.9},   {"ASGD", 1e-2, 0, {}},
        {"RMSprop", 1e-2, 0, {}},  {"Rprop", 1e-2, 0, {}},    {"Adafactor", 1e-2, 0, {}},
        {"LBFGS", 1, 0, {}},       {"Muon", 1e-3, 0.1, 0.95}, {"Lion", 1e-4, 0, 0.9},
        {"LAMB", 1e-3, 0.01, 0.9},
    };
    for (const Defaults& row : table) {
        const auto optimizer = make<Optimizer>(concat(R"({"type": ")", row.type, R"("})"));
        EXPECT_EQ(optimizer->default_lr(), row.lr) << row.type;
        EXPECT_EQ(optimizer->default_weight_decay(), row.weight_decay) << row.type;
        EXPECT_EQ(optimizer->default_momentum(), row.momentum) << row.type;
        EXPECT_EQ(optimizer->needs_closure(), std::string(row.type) == "LBFGS") << row.type;
    }
    EXPECT_EQ(make<Optimizer>(R"({"type": "SGD", "momentum": 0.8})")->default_momentum(), 0.8);
    EXPECT_EQ(make<Optimizer>(R"({"type": "RMSprop", "momentum": 0.8})")->default_momentum(), 0.8);
}

TEST(OptimizerOptions, ThatMakeNoSenseAreRefused) {
    struct Case {
        const char* json;
        const char* complaint;
    };
    const std::vector<Case> table = {
        {R"({"type": "SGD", "lr": -1})", "lr"},
        {R"({"type": "SGD", "momentum": -1})", "momentum"},
        {R"({"type": "SGD", "nesterov": true})",
         "nesterov needs a momentum above 0 and no dampening"},
        {R"({"type": "SGD", "nesterov": true, "momentum": 0.9, "dampening": 0.1})",
         "nesterov needs a momentum above 0 and no dampening"},
        {R"({"type": "SGD", "moment": 0.9})", "moment"},
        {R"({"type": "Adam", "lr": -1})", "lr"},
        {R"({"type": "Adam", "betas": [0.9]})", "betas takes 2 numbers, got 1"},
        {R"({"type": "Adam", "betas": [0.9, 1.0]})", "betas[1]"},
        {R"({"type": "Adam", "betas": [-0.1, 0.9]})", "betas[0]"},
        {R"({"type": "AdamW", "eps": -1})", "eps"},
        {R"({"type": "AdamW", "weight_decay": -1})", "weight_decay"},
        {R"({"type": "Adagrad", "lr_decay": -0.1})", "lr_decay"},
        {R"({"type": "Adagrad", "initial_accumulator_value": -1})", "initial_accumulator_value"},
        {R"({"type": "Adagrad", "eps": -1})", "eps"},
        {R"({"type": "Adadelta", "rho": 1.5})", "rho"},
        {R"({"type": "Adadelta", "rho": -0.5})", "rho"},
        {R"({"type": "Adamax", "betas": [0.9, 0.99, 0.999]})", "betas takes 2 numbers, got 3"},
        {R"({"type": "Adamax", "weight_decay": -1})", "weight_decay"},
        {R"({"type": "NAdam", "momentum_decay": -1})", "momentum_decay"},
        {R"({"type": "NAdam", "betas": [1, 0.9]})", "betas[0]"},
        {R"({"type": "RAdam", "eps": -1})", "eps"},
        {R"({"type": "RAdam", "betas": [0.9, 2]})", "betas[1]"},
        {R"({"type": "ASGD", "weight_decay": -1})", "weight_decay"},
        {R"({"type": "ASGD", "lr": -1})", "lr"},
        {R"({"type": "RMSprop", "alpha": -1})", "alpha"},
        {R"({"type": "RMSprop", "momentum": -1})", "momentum"},
        {R"({"type": "Rprop", "etas": [0.5]})", "etas takes 2 numbers, got 1"},
        {R"({"type": "Rprop", "etas": [1.2, 0.5]})", "etas takes a number below 1 and one above 1"},
        {R"({"type": "Rprop", "etas": [0.5, 1]})", "etas takes a number below 1 and one above 1"},
        {R"({"type": "Rprop", "step_sizes": [2, 1]})",
         "the smallest of step_sizes is above the largest"},
        {R"({"type": "Adafactor", "beta2_decay": 0.1})", "beta2_decay"},
        {R"({"type": "Adafactor", "d": 0.5})", "d"},
        {R"({"type": "Adafactor", "eps": [null]})", "eps takes 2 numbers, got 1"},
        {R"({"type": "Adafactor", "eps": [null, null]})",
         "the second number of eps must not be null"},
        {R"({"type": "Adafactor", "eps": [-1, 0.1]})", "eps[0]"},
        {R"({"type": "LBFGS", "line_search_fn": "armijo"})", "line_search_fn"},
        {R"({"type": "LBFGS", "max_iter": 0})", "max_iter"},
        {R"({"type": "LBFGS", "max_eval": 0})", "max_eval"},
        {R"({"type": "LBFGS", "history_size": 0})", "history_size"},
        {R"({"type": "LBFGS", "tolerance_grad": -1})", "tolerance_grad"},
        {R"({"type": "LBFGS", "weight_decay": 0.1})", "weight_decay"},
        {R"({"type": "Muon", "adjust_lr_fn": "none"})", "adjust_lr_fn"},
        {R"({"type": "Muon", "ns_coefficients": [1, 2]})",
         "ns_coefficients takes 3 numbers, got 2"},
        {R"({"type": "Muon", "ns_steps": 100})", "ns_steps"},
        {R"({"type": "Muon", "momentum": -0.5})", "momentum"},
        {R"({"type": "Muon", "adamw_betas": [0.9, 1]})", "adamw_betas[1]"},
        {R"({"type": "Muon", "adamw_lr": -1})", "adamw_lr"},
        {R"({"type": "Lion", "betas": [0.9, 1]})", "betas[1]"},
        {R"({"type": "Lion", "lr": 0, "corrected_weight_decay": true})",
         "corrected_weight_decay needs an lr above 0"},
        {R"({"type": "LAMB", "max_grad_norm": 0})", "max_grad_norm"},
        {R"({"type": "LAMB", "betas": [0.9]})", "betas takes 2 numbers, got 1"},
        {R"({"type": "LAMB", "lr": 0, "corrected_weight_decay": true})",
         "corrected_weight_decay needs an lr above 0"},
    };
    for (const Case& c : table) {
        EXPECT_THROW(make<Optimizer>(c.json), ConfigError) << c.json;
        EXPECT_TRUE(contains(error_of([&] { make<Optimizer>(c.json); }), c.complaint))
            << c.json << ": " << error_of([&] { make<Optimizer>(c.json); });
    }
}

}  // namespace
}  // namespace ailab
