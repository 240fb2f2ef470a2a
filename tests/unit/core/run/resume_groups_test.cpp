// What the parameters of a run that goes on keep of their checkpoint: each its own, by its name.
#include "run/resume_groups.hpp"

#include <gtest/gtest.h>
#include <torch/nn/modules/linear.h>

#include <map>

#include "ailab/error.hpp"
#include "config/yaml_reader.hpp"
#include "temporary_folder.hpp"

namespace ailab {
namespace {

struct TwoLayers : torch::nn::Module {
    TwoLayers() {
        register_module("fc1", torch::nn::Linear(2, 2));
        register_module("fc2", torch::nn::Linear(2, 2));
    }
};

/// AdamW's like; with `other_lr` vectors are another kind, as for Muon.
struct FakeOptimizer final : Optimizer {
    struct Settings {
        double lr = 1;
        double weight_decay = 0.5;
        std::optional<double> momentum = 0.9;
        std::optional<double> other_lr = std::nullopt;
    };
    explicit FakeOptimizer(const Settings& settings) : s(settings) {}
    double default_lr() const override { return s.lr; }
    double default_weight_decay() const override { return s.weight_decay; }
    std::optional<double> default_momentum() const override { return s.momentum; }
    GroupDefaults defaults(const Tensor& param) const override {
        if (param.dim() == 2 || !s.other_lr) return Optimizer::defaults(param);
        return {*s.other_lr, 0.125, 0.8, /*scheduled_momentum=*/false};
    }
    void step(const Tensor&, const Tensor&) override {}

  private:
    const Settings s;
};

using Keys = std::map<std::string, ParamRule>;

/// A configuration, and what it makes.
struct Side {
    FakeOptimizer::Settings optimizer;
    ParamwiseConfig paramwise;

    Node resolved() const {
        Node keys = Node::map();
        for (const auto& [pattern, rule] : paramwise.custom_keys) {
            Node node = Node::map();
            node.set("lr_mult", Node(rule.lr_mult.value_or(1)));
            node.set("decay_mult", Node(rule.decay_mult.value_or(1)));
            if (rule.freeze) node.set("freeze", Node(true));
            keys.set(pattern, std::move(node));
        }
        Node paramwise_cfg = Node::map();
        paramwise_cfg.set("custom_keys", std::move(keys));
        Node section = Node::map();
        section.set("lr", Node(optimizer.lr));
        section.set("weight_decay", Node(optimizer.weight_decay));
        section.set("momentum", optimizer.momentum ? Node(*optimizer.momentum) : Node());
        if (optimizer.other_lr) section.set("other_lr", Node(*optimizer.other_lr));
        Node all = Node::map();
        all.set("optimizer", std::move(section));
        all.set("paramwise_cfg", std::move(paramwise_cfg));
        return all;
    }
};

/// A run of a side, after a schedule has halved the rates.
struct Started {
    explicit Started(const Side& side) : optimizer(side.optimizer) {
        config.paramwise_cfg = side.paramwise;
        config.resolved = side.resolved();
        Problems problems;
        freeze_parameters({*net, nullptr}, config, problems);
        problems.check();
        for (const auto& item : net->named_parameters())
            if (item.value().requires_grad()) parameters.push_back({item.key(), item.value()});
        for (ParamGroup& group :
             make_groups(parameters, {*net, nullptr}, optimizer, config.paramwise_cfg))
            optimizer.add_group(std::move(group));
    }
    Node save() {
        for (ParamGroup& group : optimizer.groups()) group.lr = group.initial_lr / 2;
        return save_groups(optimizer.groups());
    }

    const std::shared_ptr<TwoLayers> net = std::make_shared<TwoLayers>();
    RunConfig config;
    FakeOptimizer optimizer;
    std::vector<NamedParameter> parameters;
};

ResumedGroups resume(const Node& saved, const Side& before, const Side& now,
                     const ResumePlan& plan = {}) {
    Started started(now);
    const std::vector<ConfigChange> changes = compare_configs(before.resolved(), now.resolved());
    return resume_groups(&saved, {.path = "PATH",
                                  .optimizer = started.optimizer,
                                  .parameters = started.parameters,
                                  .trained = {*started.net, nullptr},
                                  .config = started.config,
                                  .changes = changes,
                                  .plan = plan});
}

/// One number of each parameter.
std::map<std::string, double> numbers(const ResumedGroups& resumed, double ParamGroup::*field) {
    std::map<std::string, double> result;
    for (const ParamGroup& group : resumed.groups) {
        EXPECT_EQ(group.names.size(), group.params.size());
        for (const std::string& name : group.names) result[name] = group.*field;
    }
    return result;
}
using Numbers = std::map<std::string, double>;

/// Groups as checkpoints held them before they had names.
Node without_names(Node saved) {
    for (Node& group : saved.items())
        std::erase_if(group.members(), [](const Member& member) {
            return member.key == "params" || member.key == "lr_mult" ||
                   member.key == "decay_mult" || member.key == "followed_lr";
        });
    return saved;
}

const Keys bias_slow = {{"fc2.bias", {.lr_mult = 0.1}}};
const Keys weight_slow = {{"fc1.weight", {.lr_mult = 0.1}}};
const Numbers bias_slow_rates = {
    {"fc1.weight", 0.5}, {"fc1.bias", 0.5}, {"fc2.weight", 0.5}, {"fc2.bias", 0.05}};

TEST(ResumedGroups, AreTheSameInTheSameRun) {
    const Side side = {.optimizer = {.other_lr = 4}, .paramwise = {.custom_keys = bias_slow}};
    Started first(side);
    const Node saved = first.save();
    const ResumedGroups resumed = resume(saved, side, side);
    EXPECT_EQ(save_groups(resumed.groups).flow(), saved.flow());
    EXPECT_TRUE(resumed.notes.empty());
}

// As many groups as before, of other parameters.
TEST(ResumedGroups, GiveEachParameterItsOwnSettings) {
    const Side before = {.paramwise = {.custom_keys = bias_slow}};
    const Side now = {.paramwise = {.custom_keys = weight_slow}};
    const ResumedGroups resumed = resume(Started(before).save(), before, now);
    EXPECT_EQ(numbers(resumed, &ParamGroup::lr), bias_slow_rates);
    EXPECT_EQ(numbers(resumed, &ParamGroup::lr_mult).at("fc2.bias"), 0.1);
    EXPECT_EQ(resumed.notes, (std::vector<std::string>{
                                 "lr is kept at 1 (the configuration gives 0.1), for fc1.weight",
                                 "lr is kept at 0.1 (the configuration gives 1), for fc2.bias"}));
}

TEST(ResumedGroups, MayBeMoreOrFewer) {
    const Side none, slow = {.paramwise = {.custom_keys = bias_slow}};
    EXPECT_EQ(numbers(resume(Started(slow).save(), slow, none), &ParamGroup::lr), bias_slow_rates);
    for (const auto& [name, lr] :
         numbers(resume(Started(none).save(), none, slow), &ParamGroup::lr))
        EXPECT_EQ(lr, 0.5) << name;
}

TEST(ResumedGroups, TakeTheRateThatThePlanWants) {
    using Rate = ResumePlan::LearningRate;
    const Side before = {.paramwise = {.custom_keys = bias_slow}};
    const Side now = {.optimizer = {.lr = 3, .weight_decay = 0.25},
                      .paramwise = {.custom_keys = weight_slow}};
    struct Case {
        ResumePlan plan;
        double usual, slow;
        std::string note;
    };
    const std::vector<Case> table = {
        {{.learning_rate = Rate::initial}, 3, 3 * 0.1, "lr is set to 3 by resume_lr (it was 1)"},
        {{.learning_rate = Rate::number, .number = 5},
         5,
         0.5,
         "lr is set to 5 by resume_lr (it was 1)"},
    };
    for (const Case& c : table) {
        const ResumedGroups resumed = resume(Started(before).save(), before, now, c.plan);
        EXPECT_EQ(numbers(resumed, &ParamGroup::lr), (Numbers{{"fc1.weight", c.slow},
                                                              {"fc1.bias", c.usual},
                                                              {"fc2.weight", c.usual},
                                                              {"fc2.bias", c.usual}}));
        for (const auto& [name, decay] : numbers(resumed, &ParamGroup::weight_decay))
            EXPECT_EQ(decay, 0.5) << name << ": only the rate is the plan's";
        EXPECT_EQ(resumed.notes.at(2), c.note + ", for fc1.bias, fc2.weight");
    }
}

// As Muon: what is kept is the same for both kinds.
TEST(ResumedGroups, KeepTheSettingsOfBothKindsOfParameters) {
    using Rate = ResumePlan::LearningRate;
    const Side before = {.optimizer = {.lr = 2, .other_lr = 4}};
    const Side lower = {.optimizer = {.lr = 0.5, .weight_decay = 0, .other_lr = 1}};
    const ResumedGroups kept = resume(Started(before).save(), before, lower);
    EXPECT_EQ(numbers(kept, &ParamGroup::lr),
              (Numbers{{"fc1.weight", 1}, {"fc1.bias", 2}, {"fc2.weight", 1}, {"fc2.bias", 2}}));
    EXPECT_EQ(numbers(kept, &ParamGroup::weight_decay).at("fc1.weight"), 0.5);
    EXPECT_EQ(numbers(kept, &ParamGroup::weight_decay).at("fc1.bias"), 0.125);
    EXPECT_EQ(kept.groups.at(1).followed_lr, 2.0);

    const ResumedGroups initial =
        resume(Started(before).save(), before, lower, {.learning_rate = Rate::initial});
    EXPECT_EQ(
        numbers(initial, &ParamGroup::lr),
        (Numbers{{"fc1.weight", 0.5}, {"fc1.bias", 1}, {"fc2.weight", 0.5}, {"fc2.bias", 1}}));
    // A number is the matrices' rate; the other one stays in proportion.
    const ResumedGroups number =
        resume(Started(before).save(), before, lower, {.learning_rate = Rate::number, .number = 3});
    EXPECT_EQ(numbers(number, &ParamGroup::lr),
              (Numbers{{"fc1.weight", 3}, {"fc1.bias", 6}, {"fc2.weight", 3}, {"fc2.bias", 6}}));
}

TEST(ResumedGroups, OfCheckpointsWithoutNamesAreMatched) {
    const Side none, slow = {.paramwise = {.custom_keys = bias_slow}};
    EXPECT_EQ(numbers(resume(without_names(Started(slow).save()), slow, slow), &ParamGroup::lr),
              bias_slow_rates);
    // All parameters were of one group, whatever the configuration says now.
    for (const auto& [name, lr] :
         numbers(resume(without_names(Started(none).save()), none, slow), &ParamGroup::lr))
        EXPECT_EQ(lr, 0.5) << name;
    // Muon's had one group for both kinds, whose rates went in proportion.
    const Side two_kinds = {.optimizer = {.lr = 2, .other_lr = 4}};
    Node saved = without_names(Started(two_kinds).save());
    saved.items().resize(1);
    EXPECT_EQ(numbers(resume(saved, two_kinds, two_kinds), &ParamGroup::lr),
              (Numbers{{"fc1.weight", 1}, {"fc1.bias", 2}, {"fc2.weight", 1}, {"fc2.bias", 2}}));
}

TEST(ResumedGroups, ThatCannotBeMatchedAreRefusedWithTheKeysToSetBack) {
    const Side none, slow = {.paramwise = {.custom_keys = bias_slow}};
    const Side other = {.paramwise = {.custom_keys = weight_slow}};
    const Side frozen = {.paramwise = {.custom_keys = {{"fc1", {.freeze = true}}}}};
    const Side no_momentum = {.optimizer = {.momentum = std::nullopt}};
    const Side two_kinds = {.optimizer = {.lr = 2, .other_lr = 4}};
    const Side two_faster = {.optimizer = {.lr = 3, .other_lr = 4}};
    Node one_of_two_kinds = without_names(Started(two_kinds).save());
    one_of_two_kinds.items().resize(1);
    struct Case {
        Node saved;
        const Side& before;
        const Side& now;
        std::string complaint;
    };
    const std::string end = ", or start a new run from the weights with load_from";
    const std::vector<Case> table = {
        {Started(none).save(), none, frozen,
         "resume from PATH: trained then and not now: fc1.bias, fc1.weight. Set back "
         "paramwise_cfg.custom_keys.fc1.lr_mult (it was not given), "
         "paramwise_cfg.custom_keys.fc1.decay_mult (it was not given), "
         "paramwise_cfg.custom_keys.fc1.freeze (it was not given)" +
             end},
        {Started(frozen).save(), frozen, none,
         "resume from PATH: trained now and not then: fc1.weight, fc1.bias. Set back "
         "paramwise_cfg.custom_keys.fc1.lr_mult (it was 1.0), "
         "paramwise_cfg.custom_keys.fc1.decay_mult (it was 1.0), "
         "paramwise_cfg.custom_keys.fc1.freeze (it was true)" +
             end},
        {Started(none).save(), none, no_momentum,
         "resume from PATH: fc1.weight was trained with momentum, and is not now. Set back "
         "optimizer.momentum (it was 0.9)" +
             end},
        {Started(no_momentum).save(), no_momentum, none,
         "resume from PATH: fc1.weight was not trained with momentum, and is now. Set back "
         "optimizer.momentum (it was not given)" +
             end},
        {without_names(Started(slow).save()), slow, other,
         "resume from PATH: the groups of this checkpoint are saved without the names of their "
         "parameters, so paramwise_cfg must be as it was. Set back "
         "paramwise_cfg.custom_keys.fc2.bias.lr_mult (it was 0.1), "
         "paramwise_cfg.custom_keys.fc2.bias.decay_mult (it was 1.0), "
         "paramwise_cfg.custom_keys.fc1.weight.lr_mult (it was not given), "
         "paramwise_cfg.custom_keys.fc1.weight.decay_mult (it was not given)" +
             end},
        {one_of_two_kinds, two_kinds, two_faster,
         "resume from PATH: this checkpoint does not hold the settings of all kinds of parameters, "
         "so "
         "they must be as they were. Set back optimizer.lr (it was 2.0)" +
             end},
        {Started(frozen).save(), none, none,
         "resume from PATH: trained now and not then: fc1.weight, fc1.bias. The code of the model "
         "is "
         "another than that of the checkpoint: set it back" +
             end},
    };
    for (const Case& c : table)
        EXPECT_EQ(error_of([&] { resume(c.saved, c.before, c.now); }), c.complaint);
}

TEST(ResumedGroups, ThatAreDamagedAreRefused) {
    const Side side;
    const std::vector<std::pair<const char*, std::string>> table = {
        {"null", "its state of the optimizer has no groups"},
        {"[{lr: 1}]", "its parameter group 0 has no initial_lr"},
        {"[{lr: 1, initial_lr: 1, weight_decay: 0, params: [1]}]",
         "its parameter group 0 has a name that is the number 1"},
    };
    for (const auto& [text, complaint] : table) {
        Problems problems;
        const Node saved = read_yaml(text, "test", problems);
        EXPECT_EQ(error_of([&] { resume(saved, side, side); }), complaint);
    }
}

}  // namespace
}  // namespace ailab
