// One tensor under several names is one parameter: how parameters are listed, what rules and states
// they get, and which tensors must not share memory.
#include "step/parameters.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "ailab/optimizer.hpp"
#include "run/param_groups.hpp"
#include "step/gradient_watch.hpp"

namespace ailab {
namespace {

Tensor trained(at::IntArrayRef shape) {
    return torch::rand(shape).requires_grad_();
}

/// fc.weight is head and again.weight too.
struct Tied : torch::nn::Module {
    Tied() {
        fc = register_module("fc", torch::nn::Linear(2, 2));
        head = register_parameter("head", fc->weight);
        register_module("again", fc);
    }
    torch::nn::Linear fc{nullptr};
    Tensor head;
};

TEST(Parameters, AreTensorsAndNotNames) {
    const auto model = std::make_shared<Tied>();
    const std::vector<NamedParameter> found = parameters_of(*model, "m.");
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].name, "m.head");  // a module's own come first, as in PyTorch
    EXPECT_EQ(found[0].aliases, (std::vector<std::string>{"m.fc.weight", "m.again.weight"}));
    EXPECT_TRUE(found[0].tensor.is_same(model->fc->weight));
    EXPECT_EQ(names_of(found[1]), (std::vector<std::string>{"m.fc.bias", "m.again.bias"}));
}

// ---- memory

TEST(Parameters, MayNotLieInTheMemoryOfOneAnother) {
    const Tensor all = torch::rand({4, 6});
    const Tensor whole = trained({2, 3});
    const auto leaf = [](const Tensor& view) { return view.detach().requires_grad_(); };
    const Tensor frozen = all.detach();
    struct Row {
        const char* what;
        Tensor a, b;
        bool refused;
    };
    const std::vector<Row> table = {
        {"one tensor", whole, whole, false},
        {"its own memory", whole, leaf(whole.clone()), false},
        {"the same memory", whole, leaf(whole), true},
        {"transposed", whole, leaf(whole.t()), true},
        {"other numbers", leaf(all), leaf(all.view(at::kInt).view(at::kFloat)), true},
        {"a part", leaf(all), leaf(all[1]), true},
        {"overlapping parts", leaf(all.narrow(0, 0, 3)), leaf(all.narrow(0, 2, 2)), true},
        {"parts side by side", leaf(all.narrow(0, 0, 2)), leaf(all.narrow(0, 2, 2)), false},
        {"columns side by side", leaf(all.narrow(1, 0, 3)), leaf(all.narrow(1, 3, 3)), false},
        {"overlapping columns", leaf(all.narrow(1, 0, 4)), leaf(all.narrow(1, 3, 3)), true},
        {"a row in the gaps of a column", leaf(all.select(1, 0)), leaf(all[1].narrow(0, 1, 3)),
         false},
        {"real parts", leaf(torch::view_as_complex(all.view({4, 3, 2}))), leaf(all), true},
        {"one trained, one frozen", leaf(all), frozen, true},
        {"both frozen", frozen, all.view({24}), false},
        {"empty", trained({0}), trained({0}), false},
    };
    for (const Row& row : table) {
        Problems problems;
        check_shared_memory(by_identity({{"a", row.a}, {"b", row.b}}), Place{}, problems);
        std::string text;
        try {
            problems.check();
        } catch (const ConfigError& error) {
            text = error.what();
        }
        EXPECT_EQ(!text.empty(), row.refused) << row.what << ": " << text;
        if (row.refused)
            EXPECT_NE(text.find("are two tensors in the same memory"), std::string::npos) << text;
    }
}

TEST(SharedMemory, AParameterThatIsExpandedIsRefusedByName) {
    Problems problems;
    check_shared_memory(
        by_identity({{"a", trained({4})}, {"wide", trained({1, 4}).expand({4, 4})}}), Place{},
        problems);
    try {
        problems.check();
        FAIL() << "no problem";
    } catch (const ConfigError& error) {
        EXPECT_NE(std::string(error.what()).find("\"wide\" is expanded"), std::string::npos)
            << error.what();
    }
}

// ---- rules

class SomeOptimizer final : public Optimizer {
  public:
    double default_lr() const override { return 1; }
    double default_weight_decay() const override { return 1; }
    void step(const Tensor&, const Tensor&) override {}
    State save_state() const override { return {}; }
    void load_state(const State&) override {}
};

TEST(Parameters, HaveTheRuleOfWhicheverName) {
    struct Row {
        std::map<std::string, ParamRule> rules;
        double lr;            // of the shared weight; 0: it is frozen
        std::string refusal;  // or why the rules are refused
    };
    const std::string one = "\"head\" and \"fc.weight\" are one parameter";
    const std::vector<Row> table = {
        {{}, 1, ""},
        {{{"head", {.lr_mult = 0.5}}}, 0.5, ""},
        {{{"fc.weight", {.lr_mult = 0.5}}}, 0.5, ""},
        {{{"again", {.lr_mult = 0.5}}}, 0.5, ""},
        {{{"again.weight", {.freeze = true}}}, 0, ""},
        {{{"head", {.lr_mult = 2}}, {"fc", {.lr_mult = 2}}}, 2, ""},
        // The longest pattern of each name.
        {{{"head", {.lr_mult = 2}}, {"fc", {.lr_mult = 3}}, {"fc.weight", {.lr_mult = 2}}}, 2, ""},
        {{{"head|fc", {.lr_mult = 2}}, {"fc", {.lr_mult = 3}}}, 2, ""},
        {{{"head", {.lr_mult = 2}}, {"fc", {.lr_mult = 3}}}, 2, one},
        {{{"head", {.decay_mult = 0}}, {"fc", {}}}, 1, one},
        {{{"head", {.freeze = true}}, {"fc", {}}}, 0, one},
    };
    for (const Row& row : table) {
        const auto model = std::make_shared<Tied>();
        RunConfig config;
        config.paramwise_cfg.custom_keys = row.rules;
        Problems problems;
        freeze_parameters({*model, nullptr}, config, problems);
        std::string refusal;
        try {
            problems.check();
        } catch (const ConfigError& error) {
            refusal = error.what();
        }
        if (row.refusal.empty())
            EXPECT_EQ(refusal, "");
        else
            EXPECT_NE(refusal.find(row.refusal), std::string::npos) << refusal;
        EXPECT_EQ(model->head.requires_grad(), row.lr != 0);
        if (row.lr == 0 || !row.refusal.empty()) continue;
        const auto groups = make_groups(parameters_of(*model), {*model, nullptr}, SomeOptimizer(),
                                        config.paramwise_cfg);
        size_t members = 0;
        for (const ParamGroup& group : groups) {
            members += group.params.size();
            for (size_t i = 0; i < group.params.size(); ++i)
                if (group.params[i].is_same(model->head)) {
                    EXPECT_EQ(group.names[i], "head");
                    EXPECT_EQ(group.lr, row.lr);
                }
        }
        EXPECT_EQ(members, 2U);
    }
}

// ---- states

TEST(Parameters, TakeTheFirstOfSeveralSavedStates) {
    const Tensor weight = trained({2});
    const std::vector<NamedParameter> parameters =
        by_identity({{"tok", weight}, {"a.head", weight}, {"other", trained({1})}});
    State saved;
    saved.tensors["step/tok"] = torch::tensor(1.0);
    saved.tensors["step/a.head"] = torch::tensor(2.0);
    saved.tensors["avg/a.head"] = torch::tensor(3.0);  // tok has none
    saved.tensors["avg/b.a.head"] = torch::tensor(4.0);
    saved.tensors["step/other"] = torch::tensor(5.0);
    std::vector<std::string> told;
    const State state = with_owners(saved, parameters, told);
    std::map<std::string, double> found;
    for (const auto& [name, tensor] : state.tensors) found[name] = tensor.item<double>();
    EXPECT_EQ(found, (std::map<std::string, double>{
                         {"step/tok", 1}, {"avg/tok", 3}, {"avg/b.a.head", 4}, {"step/other", 5}}));
    EXPECT_EQ(told, (std::vector<std::string>{"\"tok\" is one parameter with a.head; of its 2 "
                                              "states of the optimizer the first is taken"}));
}

// ---- gradients

TEST(GradientWatch, NamesWhatNoStepHasReached) {
    const Tensor reached = trained({1}), later = trained({1}), never = trained({1});
    Tensor frozen = trained({1});
    const GradientStore gradients(
        by_identity({{"reached", reached}, {"later", later}, {"never", never}, {"frozen", frozen}}),
        nullptr, 25);
    GradientWatch watch;
    watch.add(gradients);
    watch.add(gradients);  // of a second optimizer
    reached.mutable_grad() = torch::zeros({1});
    watch.note();
    later.mutable_grad() = torch::zeros({1});
    reached.mutable_grad().reset();
    watch.note();
    frozen.set_requires_grad(false);  // by a hook, since
    EXPECT_FALSE(watch.done());
    EXPECT_EQ(watch.finish(), std::vector<std::string>{"never"});
    EXPECT_TRUE(watch.done());
    EXPECT_TRUE(watch.finish().empty());
}

}  // namespace
}  // namespace ailab
