// Which parameters have which multiples of the learning rate and the weight decay.
#include "run/param_groups.hpp"

#include <gtest/gtest.h>
#include <torch/nn/modules.h>

#include <map>

#include "ailab/error.hpp"

namespace ailab {
namespace {

namespace nn = torch::nn;

/// A norm of a user's own.
struct RmsNorm : nn::Module {
    explicit RmsNorm(bool shifts) {
        register_parameter("gain", torch::ones({4}));
        if (shifts) register_parameter("bias", torch::zeros({4}));
    }
};

/// A layer of a user's own.
struct OwnLayer : nn::Module {
    OwnLayer() {
        register_parameter("kernel", torch::ones({4, 4}));
        register_parameter("scale", torch::ones({4}));
        register_parameter("bias", torch::zeros({4}));
        register_parameter("temperature", torch::ones({}));
    }
};

struct Layers : nn::Module {
    Layers() {
        register_module("linear", nn::Linear(4, 4));
        register_module("conv", nn::Conv1d(4, 4, 1));
        register_module("norm", nn::LayerNorm(nn::LayerNormOptions({4})));
        register_module("attention", nn::MultiheadAttention(
                                         nn::MultiheadAttentionOptions(4, 2).add_bias_kv(true)));
        register_module("lstm", nn::LSTM(4, 4));
        register_module("embedding", nn::Embedding(4, 4));
        register_module("prelu", nn::PReLU());
        register_module("rms", std::make_shared<RmsNorm>(false));
        register_module("shifted", std::make_shared<RmsNorm>(true));
        register_module("own", std::make_shared<OwnLayer>());
    }
};

struct CentersLoss : nn::Module {
    CentersLoss() {
        register_parameter("centers", torch::ones({3, 4}));
        register_parameter("scale", torch::ones({3}));
    }
};

struct PlainOptimizer final : Optimizer {
    double default_lr() const override { return 0.5; }
    double default_weight_decay() const override { return 0.25; }
    void step(const Tensor&, const Tensor&) override {}
};

/// Treats what is no matrix in its own way.
struct TwoKinds final : Optimizer {
    explicit TwoKinds(double lr = 0.5, double decay = 0.25) : lr_(lr), decay_(decay) {}
    double default_lr() const override { return lr_; }
    double default_weight_decay() const override { return decay_; }
    std::optional<double> default_momentum() const override { return 0.9; }
    GroupDefaults defaults(const Tensor& param) const override {
        if (param.dim() == 2) return Optimizer::defaults(param);
        return {0.125, 0.0625, 0.8, /*scheduled_momentum=*/false};
    }
    void step(const Tensor&, const Tensor&) override {}

  private:
    const double lr_, decay_;
};

std::vector<NamedParameter> trained_parameters(const Trained& trained) {
    std::vector<NamedParameter> parameters;
    for (const auto& item : trained.model.named_parameters())
        parameters.push_back({item.key(), item.value()});
    if (trained.loss)
        for (const auto& item : trained.loss->named_parameters())
            parameters.push_back({loss_prefix + item.key(), item.value()});
    return parameters;
}

/// By name, with the groups' settings.
std::map<std::string, ParamGroup> settings(const Trained& trained, const ParamwiseConfig& config,
                                           const Optimizer& optimizer = PlainOptimizer()) {
    std::map<std::string, ParamGroup> result;
    for (const ParamGroup& group :
         make_groups(trained_parameters(trained), trained, optimizer, config))
        for (const std::string& name : group.names) result[name] = group;
    return result;
}

TEST(ParamGroups, KnowNormsAndBiases) {
    const auto net = std::make_shared<Layers>();
    const auto loss = std::make_shared<CentersLoss>();
    const ParamwiseConfig config = {
        .norm_decay_mult = 0.5, .bias_decay_mult = 0.25, .bias_lr_mult = 2};
    const std::string weight = "weight", bias = "bias", norm = "norm";
    const std::vector<std::pair<std::string, std::string>> table = {
        {"linear.weight", weight},
        {"linear.bias", bias},
        {"conv.weight", weight},
        {"conv.bias", bias},
        {"norm.weight", norm},
        {"norm.bias", norm},
        {"attention.in_proj_weight", weight},
        {"attention.in_proj_bias", bias},
        {"attention.bias_k", bias},
        {"attention.out_proj.bias", bias},
        {"lstm.weight_ih_l0", weight},
        {"lstm.bias_ih_l0", bias},
        {"lstm.bias_hh_l0", bias},
        {"embedding.weight", weight},
        {"prelu.weight", norm},
        {"rms.gain", norm},
        {"shifted.gain", norm},
        {"shifted.bias", norm},
        {"own.kernel", weight},
        {"own.scale", norm},
        {"own.bias", bias},
        {"own.temperature", weight},
        {"loss.centers", weight},
        {"loss.scale", norm},
    };
    const auto found = settings({*net, loss.get()}, config);
    for (const auto& [name, kind] : table) {
        ASSERT_TRUE(found.count(name)) << name;
        const ParamGroup& group = found.at(name);
        EXPECT_EQ(group.lr_mult, kind == bias ? 2 : 1) << name;
        EXPECT_EQ(group.decay_mult, kind == bias ? 0.25 : kind == norm ? 0.5 : 1) << name;
        EXPECT_EQ(group.lr, 0.5 * group.lr_mult) << name;
        EXPECT_EQ(group.initial_lr, group.lr) << name;
        EXPECT_EQ(group.weight_decay, 0.25 * group.decay_mult) << name;
    }
}

// MMEngine's: a rule replaces what it names, and no more.
TEST(ParamGroups, KeepOfNormsAndBiasesWhatARuleDoesNotSay) {
    const auto net = std::make_shared<Layers>();
    struct Case {
        ParamRule rule;
        std::string parameter;
        double lr_mult, decay_mult;
    };
    const std::vector<Case> table = {
        {{.lr_mult = 0.1}, "linear.weight", 0.1, 1},
        {{.lr_mult = 0.1}, "linear.bias", 0.1, 0},
        {{.lr_mult = 0.1}, "norm.weight", 0.1, 0.5},
        {{.lr_mult = 1}, "linear.bias", 1, 0},
        {{.decay_mult = 0.25}, "linear.weight", 1, 0.25},
        {{.decay_mult = 0.25}, "linear.bias", 2, 0.25},
        {{.decay_mult = 1}, "norm.weight", 1, 1},
        {{.lr_mult = 0.1, .decay_mult = 1}, "linear.bias", 0.1, 1},
        {{}, "linear.bias", 2, 0},
    };
    for (const Case& c : table) {
        const ParamwiseConfig config = {.norm_decay_mult = 0.5,
                                        .bias_decay_mult = 0,
                                        .bias_lr_mult = 2,
                                        .custom_keys = {{"linear|norm", c.rule}}};
        const ParamGroup group = settings({*net, nullptr}, config).at(c.parameter);
        EXPECT_EQ(group.lr_mult, c.lr_mult) << c.parameter;
        EXPECT_EQ(group.decay_mult, c.decay_mult) << c.parameter;
    }
}

TEST(ParamGroups, OfAnOptimizerWithTwoKindsHaveTheirOwnSettings) {
    struct Case {
        double lr, decay;  // of matrices
        std::optional<double> followed;
    };
    const auto net = std::make_shared<Layers>();
    const ParamwiseConfig config = {.bias_decay_mult = 0.5, .bias_lr_mult = 2};
    // The multiples count whatever the other kind's settings are.
    for (const Case& c : {Case{0.5, 0.25, 1.0}, Case{0, 0, {}}}) {
        const auto found = settings({*net, nullptr}, config, TwoKinds(c.lr, c.decay));
        const ParamGroup& matrix = found.at("linear.weight");
        EXPECT_EQ(matrix.lr, c.lr);
        EXPECT_EQ(matrix.weight_decay, c.decay);
        EXPECT_EQ(matrix.initial_momentum, 0.9);
        EXPECT_EQ(matrix.followed_lr, std::nullopt);
        const ParamGroup& bias = found.at("linear.bias");
        EXPECT_EQ(bias.lr, 0.25);
        EXPECT_EQ(bias.weight_decay, 0.03125);
        EXPECT_EQ(bias.momentum, 0.8);
        EXPECT_EQ(bias.initial_momentum, std::nullopt) << "not scheduled";
        EXPECT_EQ(bias.followed_lr, c.followed);
    }
}

TEST(ParamGroups, OfALossAreReachedByCustomKeys) {
    const auto net = std::make_shared<Layers>();
    const auto loss = std::make_shared<CentersLoss>();
    RunConfig config;
    config.paramwise_cfg.custom_keys = {{"centers", {.lr_mult = 4}},
                                        {"^loss.scale", {.freeze = true}}};
    Problems problems;
    freeze_parameters({*net, loss.get()}, config, problems);
    EXPECT_TRUE(problems.empty());
    EXPECT_FALSE(loss->named_parameters()["scale"].requires_grad());
    EXPECT_TRUE(net->named_parameters()["own.scale"].requires_grad());
    EXPECT_EQ(settings({*net, loss.get()}, config.paramwise_cfg).at("loss.centers").lr, 2);

    freeze_parameters({*net, nullptr}, config, problems);
    ASSERT_EQ(problems.size(), 2u);
    EXPECT_TRUE(problems.list()[0].text.starts_with(
        "paramwise_cfg.custom_keys: \"^loss.scale\" matches no parameter of the model"));
}

TEST(ParamGroups, TellWhatWeightDecayDoesNotReach) {
    struct Layer : nn::Module {
        Layer() {
            register_module("fc1", nn::Linear(2, 2));
            register_module("fc2", nn::Linear(2, 2));
            register_module("fc3", nn::Linear(2, 2));
        }
    };
    const auto net = std::make_shared<Layer>();
    struct Case {
        ParamwiseConfig config;
        std::string expected;
    };
    const std::vector<Case> table = {
        {{}, ""},
        {{.bias_decay_mult = 0}, "weight decay 0.25, not of 3 of 6 parameters: fc*.bias (3)"},
        {{.custom_keys = {{"fc1|2.bias", {.decay_mult = 0}}}},
         "weight decay 0.25, not of 3 of 6 parameters: fc1.weight, fc1.bias, fc2.bias"},
    };
    for (const Case& c : table)
        EXPECT_EQ(describe_decay(make_groups(trained_parameters({*net, nullptr}), {*net, nullptr},
                                             PlainOptimizer(), c.config)),
                  c.expected);
}

TEST(ScheduledRate, IsThatOfParametersWithoutMultiples) {
    struct Case {
        std::vector<ParamGroup> groups;
        double expected;
    };
    const std::vector<Case> table = {
        {{}, 0.5},
        {{{.lr = 0.1, .initial_lr = 1}}, 0.1},
        {{{.lr = 0.01, .initial_lr = 0.1, .lr_mult = 0.1}, {.lr = 0.1, .initial_lr = 1}}, 0.1},
        {{{.lr = 0, .initial_lr = 0, .lr_mult = 0}, {.lr = 0.25, .initial_lr = 2, .lr_mult = 2}},
         0.125},
        // One that follows another kind's rate, before that and alone.
        {{{.lr = 0.3, .initial_lr = 3, .followed_lr = 1.0}, {.lr = 0.1, .initial_lr = 1}}, 0.1},
        {{{.lr = 0.5, .initial_lr = 4, .lr_mult = 2, .followed_lr = 2.0}}, 0.125},
        {{{.lr = 0, .initial_lr = 0, .lr_mult = 0}}, 0},
    };
    for (const Case& c : table) {
        PlainOptimizer optimizer;
        for (const ParamGroup& group : c.groups) optimizer.add_group(group);
        EXPECT_NEAR(optimizer.scheduled_lr(), c.expected, 1e-15) << &c - table.data();
    }
}

}  // namespace
}  // namespace ailab
