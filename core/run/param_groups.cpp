#include "param_groups.hpp"

#include <torch/nn/modules.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>

#include "ailab/error.hpp"
#include "step/parameters.hpp"

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

enum class ParamKind { weight, bias, norm };
/// By the tensors, which may have several names.
using Kinds = std::map<const c10::TensorImpl*, ParamKind>;

/// Which norms and biases are known: all, or as before checkpoints had the names of their groups.
enum class Recognised { all, before_names };

/// A layer whose parameters are known, so that none of them is a norm's.
bool is_known_layer(const nn::Module& module) {
    return module.as<nn::Linear>() || module.as<nn::Conv1d>() || module.as<nn::Conv2d>() ||
           module.as<nn::Conv3d>() || module.as<nn::ConvTranspose1d>() ||
           module.as<nn::ConvTranspose2d>() || module.as<nn::ConvTranspose3d>() ||
           module.as<nn::RNN>() || module.as<nn::LSTM>() || module.as<nn::GRU>() ||
           module.as<nn::RNNCell>() || module.as<nn::LSTMCell>() || module.as<nn::GRUCell>() ||
           module.as<nn::Embedding>() || module.as<nn::EmbeddingBag>();
}

/// `bias`, `in_proj_bias`, `bias_ih_l0`: a word of the name.
bool is_bias_name(const std::string& name) {
    static const std::regex word("(^|_)bias(_|$)");
    return std::regex_search(name, word);
}

/// Notes the kinds of a module's own parameters, without its children's. A user's own norm is a
/// module whose parameters are of one dimension, one of them a weight.
void add_kinds(const nn::Module& module, Recognised recognised, Kinds& kinds) {
    const auto own = module.named_parameters(/*recurse=*/false);
    if (own.is_empty()) return;
    const bool known_norm = is_norm(module);
    const bool all = recognised == Recognised::all && !is_known_layer(module);
    bool flat = all, scales = false;
    for (const auto& item : own) {
        flat = flat && item.value().dim() == 1;
        scales = scales || !is_bias_name(item.key());
    }
    for (const auto& item : own) {
        const bool bias =
            recognised == Recognised::all ? is_bias_name(item.key()) : item.key() == "bias";
        const bool norm =
            known_norm || (flat && scales) || (all && !bias && item.value().dim() == 1);
        kinds.emplace(item.value().unsafeGetTensorImpl(), norm   ? ParamKind::norm
                                                          : bias ? ParamKind::bias
                                                                 : ParamKind::weight);
    }
}

Kinds kinds_of(const Trained& trained, Recognised recognised) {
    Kinds kinds;
    for (const auto& module : trained.model.modules()) add_kinds(*module, recognised, kinds);
    if (trained.loss)
        for (const auto& module : trained.loss->modules()) add_kinds(*module, recognised, kinds);
    return kinds;
}

/// Of an optimizer's learning rate and weight decay.
struct Multiples {
    double lr = 1;
    double decay = 1;
    bool operator==(const Multiples&) const = default;
};

Multiples multiples_of(const NamedParameter& parameter, const Kinds& kinds, const Rules& rules,
                       const ParamwiseConfig& config) {
    const auto found = kinds.find(parameter.tensor.unsafeGetTensorImpl());
    const ParamKind kind = found == kinds.end() ? ParamKind::weight : found->second;
    Multiples multiples;
    if (kind == ParamKind::norm) multiples = {.decay = config.norm_decay_mult};
    if (kind == ParamKind::bias) multiples = {config.bias_lr_mult, config.bias_decay_mult};
    if (const ParamRule* rule = rules.find(parameter))
        multiples = {rule->lr_mult.value_or(multiples.lr),
                     rule->decay_mult.value_or(multiples.decay)};
    return multiples;
}

bool same(const GroupDefaults& a, const GroupDefaults& b) {
    return a.lr == b.lr && a.weight_decay == b.weight_decay && a.momentum == b.momentum &&
           a.scheduled_momentum == b.scheduled_momentum;
}

ParamGroup make_group(const Multiples& multiples, const GroupDefaults& defaults,
                      const Optimizer& optimizer) {
    ParamGroup group;
    group.lr_mult = multiples.lr;
    group.decay_mult = multiples.decay;
    group.lr = group.initial_lr = defaults.lr * multiples.lr;
    group.weight_decay = defaults.weight_decay * multiples.decay;
    group.momentum = defaults.momentum;
    if (defaults.scheduled_momentum) group.initial_momentum = defaults.momentum;
    const double usual = optimizer.default_lr() * multiples.lr;
    if (defaults.lr != optimizer.default_lr() && usual > 0) group.followed_lr = usual;
    return group;
}

/// `chosen` names of `all`; those that differ in numbers alone as one, "layer*.bn.bias (4)", where
/// none that looks so is left out.
std::vector<std::string> in_brief(const std::vector<std::string>& chosen,
                                  const std::vector<std::string>& all) {
    static const std::regex number("[0-9]+");
    const auto form_of = [](const std::string& name) {
        return std::regex_replace(name, number, "*");
    };
    std::map<std::string, size_t> alike, alike_chosen;
    for (const std::string& name : all) ++alike[form_of(name)];
    for (const std::string& name : chosen) ++alike_chosen[form_of(name)];
    std::vector<std::string> brief;
    std::set<std::string> told;
    for (const std::string& name : chosen) {
        const std::string form = form_of(name);
        const size_t count = alike_chosen[form];
        if (count == 1 || count != alike[form])
            brief.push_back(name);
        else if (told.insert(form).second)
            brief.push_back(concat(form, " (", count, ")"));
    }
    return brief;
}

}  // namespace

std::vector<NamedParameter> all_parameters(const Trained& trained) {
    std::vector<std::pair<std::string, at::Tensor>> named;
    const auto add = [&](const std::string& prefix, const nn::Module& module) {
        for (const auto& item : module.named_parameters())
            named.emplace_back(prefix + item.key(), item.value());
    };
    add("", trained.model);
    if (trained.loss) add(loss_prefix, *trained.loss);
    return by_identity(named);
}

void freeze_parameters(const Trained& trained, const RunConfig& config, Problems& problems) {
    const std::string key = "paramwise_cfg.custom_keys";
    const Place place = place_of(config.source, key);
    const Rules rules(config.paramwise_cfg);
    const std::vector<NamedParameter> parameters = all_parameters(trained);
    std::vector<std::string> names;
    for (const NamedParameter& parameter : parameters)
        for (std::string& name : names_of(parameter)) names.push_back(std::move(name));
    for (const std::string& pattern : rules.unmatched(names)) {
        const std::string near = nearest_name(pattern, names);
        problems.add(place, concat(key, ": \"", pattern, "\" matches no parameter of the model",
                                   trained.loss ? " or of the loss" : "",
                                   near.empty() ? "; they are " + join(names)
                                                : "; did you mean \"" + near + "\"?"));
    }
    for (const NamedParameter& parameter : parameters) {
        if (const std::string why = rules.contradiction(parameter); !why.empty())
            problems.add(place, concat(key, ": ", why));
        if (const ParamRule* rule = rules.find(parameter); rule && rule->freeze)
            parameter.tensor.set_requires_grad(false);
    }
}

std::vector<ParamGroup> make_groups(const std::vector<NamedParameter>& parameters,
                                    const Trained& trained, const Optimizer& optimizer,
                                    const ParamwiseConfig& config) {
    const Rules rules(config);
    const Kinds kinds = kinds_of(trained, Recognised::all);
    std::vector<ParamGroup> groups;
    std::vector<std::pair<Multiples, GroupDefaults>> settings;  // of each group
    for (const NamedParameter& parameter : parameters) {
        const Multiples multiples = multiples_of(parameter, kinds, rules, config);
        const GroupDefaults defaults = optimizer.defaults(parameter.tensor);
        size_t index = 0;
        while (index < settings.size() &&
               !(settings[index].first == multiples && same(settings[index].second, defaults)))
            ++index;
        if (index == settings.size()) {
            settings.emplace_back(multiples, defaults);
            groups.push_back(make_group(multiples, defaults, optimizer));
        }
        groups[index].names.push_back(parameter.name);
        groups[index].params.push_back(parameter.tensor);
    }
    return groups;
}

std::vector<std::vector<std::string>> earlier_groups(const std::vector<NamedParameter>& parameters,
                                                     const Trained& trained,
                                                     const ParamwiseConfig& config) {
    ParamwiseConfig as_then = config;  // a rule said all of its parameters
    for (auto& [pattern, rule] : as_then.custom_keys) {
        rule.lr_mult = rule.lr_mult.value_or(1);
        rule.decay_mult = rule.decay_mult.value_or(1);
    }
    const Rules rules(as_then);
    const Kinds kinds = kinds_of(trained, Recognised::before_names);
    std::vector<Multiples> known;
    std::vector<std::vector<std::string>> names;
    for (const NamedParameter& parameter : parameters) {
        const Multiples multiples = multiples_of(parameter, kinds, rules, as_then);
        const auto found = std::find(known.begin(), known.end(), multiples);
        const auto index = size_t(found - known.begin());
        if (found == known.end()) {
            known.push_back(multiples);
            names.emplace_back();
        }
        names[index].push_back(parameter.name);
    }
    return names;
}

std::string describe_decay(const std::vector<ParamGroup>& groups) {
    double decay = 0;
    std::vector<std::string> all, without;
    for (const ParamGroup& group : groups) {
        decay = std::max(decay, group.weight_decay);
        all.insert(all.end(), group.names.begin(), group.names.end());
        if (group.weight_decay == 0)
            without.insert(without.end(), group.names.begin(), group.names.end());
    }
    if (decay == 0 || without.empty()) return "";
    return concat("weight decay ", decay, ", not of ", without.size(), " of ", all.size(),
                  " parameters: ", join(in_brief(without, all)));
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
