#include "param_groups.hpp"

#include <torch/nn/modules.h>

#include <algorithm>
#include <regex>
#include <set>

#include "ailab/error.hpp"
#include "parameters.hpp"

namespace ailab {
namespace {

namespace nn = torch::nn;

bool is_batch_norm(const nn::Module& module) {
    return module.as<nn::BatchNorm1d>() || module.as<nn::BatchNorm2d>() ||
           module.as<nn::BatchNorm3d>();
}

bool is_norm(const nn::Module& module) {
    return is_batch_norm(module) || module.as<nn::LayerNorm>() || module.as<nn::GroupNorm>() ||
           module.as<nn::InstanceNorm1d>() || module.as<nn::InstanceNorm2d>() ||
           module.as<nn::InstanceNorm3d>();
}

/// The rules of `custom_keys`, by patterns of names.
class Rules {
  public:
    explicit Rules(const ParamwiseConfig& config) {
        for (const auto& [pattern, rule] : config.custom_keys)
            rules_.push_back({pattern, std::regex(pattern), &rule});
    }
    /// Patterns that match none of the names.
    std::vector<std::string> unmatched(const std::vector<std::string>& names) const {
        std::vector<std::string> patterns;
        for (const Rule& rule : rules_)
            if (std::none_of(names.begin(), names.end(), [&](const std::string& name) {
                    return std::regex_search(name, rule.regex);
                }))
                patterns.push_back(rule.pattern);
        return patterns;
    }
    /// The rule of a parameter, which any of its names may have, or nullptr.
    const ParamRule* find(const NamedParameter& parameter) const {
        for (const std::string& name : names_of(parameter))
            if (const Rule* rule = longest(name)) return rule->rule;
        return nullptr;
    }
    /// What is wrong where two names of one parameter have rules that say different things, or "".
    std::string contradiction(const NamedParameter& parameter) const {
        const Rule* first = nullptr;
        std::string first_name;
        for (const std::string& name : names_of(parameter)) {
            const Rule* rule = longest(name);
            if (!rule) continue;
            if (first && !same(*first->rule, *rule->rule))
                return concat("\"", first_name, "\" and \"", name, "\" are one parameter, and \"",
                              first->pattern, "\" says something else of it than \"", rule->pattern,
                              "\"; give both the same settings, or leave one of them out");
            if (!first) first_name = name;
            if (!first) first = rule;
        }
        return "";
    }

  private:
    struct Rule {
        std::string pattern;
        std::regex regex;
        const ParamRule* rule;
    };
    /// That of the longest pattern that matches a name, or nullptr.
    const Rule* longest(const std::string& name) const {
        const Rule* longest = nullptr;
        for (const Rule& rule : rules_)
            if ((!longest || rule.pattern.size() > longest->pattern.size()) &&
                std::regex_search(name, rule.regex))
                longest = &rule;
        return longest;
    }
    static bool same(const ParamRule& a, const ParamRule& b) {
        return a.lr_mult == b.lr_mult && a.decay_mult == b.decay_mult && a.freeze == b.freeze;
    }
    std::vector<Rule> rules_;
};

}  // namespace

void freeze_parameters(nn::Module& model, const RunConfig& config, Problems& problems) {
    const std::string key = "paramwise_cfg.custom_keys";
    const Place place = place_of(config.source, key);
    const Rules rules(config.paramwise_cfg);
    const std::vector<std::string> names = model.named_parameters().keys();
    for (const std::string& pattern : rules.unmatched(names)) {
        const std::string near = nearest_name(pattern, names);
        problems.add(place, concat(key, ": \"", pattern, "\" matches no parameter of the model",
                                   near.empty() ? "; they are " + join(names)
                                                : "; did you mean \"" + near + "\"?"));
    }
    for (const NamedParameter& parameter : parameters_of(model)) {
        if (const std::string why = rules.contradiction(parameter); !why.empty())
            problems.add(place, concat(key, ": ", why));
        if (const ParamRule* rule = rules.find(parameter); rule && rule->freeze)
            parameter.tensor.set_requires_grad(false);
    }
}

std::vector<ParamGroup> make_groups(const std::vector<NamedParameter>& parameters,
                                    const nn::Module& model, const Optimizer& optimizer,
                                    const ParamwiseConfig& config) {
    std::set<std::string> of_norms;
    for (const auto& item : model.named_modules())
        if (is_norm(*item.value()))
            for (const auto& parameter : item.value()->named_parameters(/*recurse=*/false))
                of_norms.insert(item.key().empty() ? parameter.key()
                                                   : item.key() + "." + parameter.key());
    const Rules rules(config);
    std::vector<ParamGroup> groups;
    std::vector<std::pair<double, double>> multipliers;  // of each group
    for (const NamedParameter& parameter : parameters) {
        const std::vector<std::string> names = names_of(parameter);
        const auto any_name = [&](const auto& is) {
            return std::any_of(names.begin(), names.end(), is);
        };
        double lr = 1, decay = 1;
        if (any_name([&](const std::string& name) { return of_norms.count(name) != 0; })) {
            decay = config.norm_decay_mult;
        } else if (any_name([](const std::string& name) {
                       return name == "bias" || name.ends_with(".bias");
                   })) {
            decay = config.bias_decay_mult;
            lr = config.bias_lr_mult;
        }
        if (const ParamRule* rule = rules.find(parameter)) {
            lr = rule->lr_mult;
            decay = rule->decay_mult;
        }
        const auto found = std::find(multipliers.begin(), multipliers.end(), std::pair(lr, decay));
        const size_t index = size_t(found - multipliers.begin());
        if (found == multipliers.end()) {
            multipliers.emplace_back(lr, decay);
            ParamGroup group;
            group.lr = group.initial_lr = optimizer.default_lr() * lr;
            group.weight_decay = optimizer.default_weight_decay() * decay;
            group.momentum = group.initial_momentum = optimizer.default_momentum();
            groups.push_back(std::move(group));
        }
        groups[index].names.push_back(parameter.name);
        groups[index].params.push_back(parameter.tensor);
    }
    return groups;
}

FrozenNorms::FrozenNorms(nn::Module& model, const std::vector<ModulePattern>& patterns,
                         Problems& problems) {
    for (const auto& [pattern, place] : patterns) {
        const std::regex regex(pattern);
        const size_t before = norms_.size();
        for (const auto& item : model.named_modules("", /*include_self=*/false))
            if (is_batch_norm(*item.value()) && std::regex_search(item.key(), regex))
                norms_.push_back(item.value());
        if (norms_.size() == before)
            problems.add(place,
                         concat("norm_eval: \"", pattern, "\" matches no batch norm of the model"));
    }
}

void FrozenNorms::apply() const {
    for (const auto& norm : norms_) norm->eval();
}

bool FrozenNorms::hold_all(const nn::Module& model) const {
    const auto modules = model.modules();
    return std::all_of(modules.begin(), modules.end(), [this](const auto& module) {
        return !is_batch_norm(*module) ||
               std::find(norms_.begin(), norms_.end(), module) != norms_.end();
    });
}

}  // namespace ailab
