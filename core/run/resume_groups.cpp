#include "resume_groups.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include "ailab/error.hpp"

namespace ailab {
namespace {

constexpr std::pair<const char*, double ParamGroup::*> numbers[] = {
    {"lr", &ParamGroup::lr},
    {"initial_lr", &ParamGroup::initial_lr},
    {"weight_decay", &ParamGroup::weight_decay}};
/// Saved where they are set.
constexpr std::pair<const char*, std::optional<double> ParamGroup::*> optional_numbers[] = {
    {"momentum", &ParamGroup::momentum},
    {"initial_momentum", &ParamGroup::initial_momentum},
    {"followed_lr", &ParamGroup::followed_lr}};
/// Checkpoints of groups without names have none of these.
constexpr std::pair<const char*, double ParamGroup::*> multiples[] = {
    {"lr_mult", &ParamGroup::lr_mult}, {"decay_mult", &ParamGroup::decay_mult}};
constexpr const char* names_key = "params";

struct SavedGroup {
    /// Without parameters.
    ParamGroup settings;
    bool has_multiples = false;
    std::vector<std::string> names;
};

std::vector<SavedGroup> read_groups(const Node* saved) {
    if (!saved || !saved->is_list()) throw Error("its state of the optimizer has no groups");
    std::vector<SavedGroup> groups;
    for (const Node& entry : saved->items()) {
        SavedGroup group;
        for (const auto& [name, field] : numbers) {
            const Node* value = entry.find(name);
            if (!value || !value->is_number())
                throw Error(concat("its parameter group ", groups.size(), " has no ", name));
            group.settings.*field = value->as_float();
        }
        for (const auto& [name, field] : optional_numbers)
            if (const Node* value = entry.find(name); value && value->is_number())
                group.settings.*field = value->as_float();
        for (const auto& [name, field] : multiples)
            if (const Node* value = entry.find(name); value && value->is_number()) {
                group.settings.*field = value->as_float();
                group.has_multiples = true;
            }
        if (const Node* names = entry.find(names_key); names && names->is_list())
            for (const Node& name : names->items()) {
                if (!name.is_string())
                    throw Error(concat("its parameter group ", groups.size(),
                                       " has a name that is ", name.describe()));
                group.names.push_back(name.as_string());
            }
        groups.push_back(std::move(group));
    }
    return groups;
}

using IsRelevant = bool (*)(const ConfigChange&);

bool makes_groups(const ConfigChange& change) {
    return change.key.starts_with("paramwise_cfg.");
}
bool decides_what_is_trained(const ConfigChange& change) {
    return makes_groups(change) || change.key.starts_with("model.") ||
           change.key.starts_with("loss.");
}
bool is_held_by_groups(const ConfigChange& change) {
    return change.key.starts_with("optimizer.") && change.kept != Kept::nothing;
}
bool is_momentum(const ConfigChange& change) {
    return is_held_by_groups(change) &&
           (change.key.ends_with("momentum") || change.kept == Kept::first_value);
}

/// Names the relevant keys that have changed, and what is to be done about it.
[[noreturn]] void refuse(const ResumeInput& input, const std::string& why, IsRelevant is_relevant) {
    std::vector<std::string> keys;
    Place place;
    for (const ConfigChange& change : input.changes) {
        if (!is_relevant(change)) continue;
        if (keys.empty()) place = place_of(input.config.source, change.key);
        keys.push_back(concat(change.key, " (it was ", change.before, ")"));
    }
    if (keys.empty()) place = place_of(input.config.source, "optimizer");
    throw ConfigError(
        {{place, concat("resume from ", input.path, ": ", why, ". ",
                        keys.empty() ? "The code of the model is another than that of the "
                                       "checkpoint: set it back"
                                     : "Set back " + join(keys),
                        ", or start a new run from the weights with load_from")}});
}

/// Checkpoints of groups without names: in the order in which groups were made then.
void add_names(std::vector<SavedGroup>& saved, const ResumeInput& input) {
    if (saved.size() == 1) {
        for (const NamedParameter& parameter : input.parameters)
            saved[0].names.push_back(parameter.name);
        return;
    }
    if (std::any_of(input.changes.begin(), input.changes.end(), makes_groups))
        refuse(input,
               "the groups of this checkpoint are saved without the names of their parameters, so "
               "paramwise_cfg must be as it was",
               makes_groups);
    const auto names = earlier_groups(input.parameters, input.trained, input.config.paramwise_cfg);
    if (names.size() != saved.size())
        refuse(input,
               concat("the checkpoint has ", saved.size(), " parameter groups, the configuration ",
                      names.size()),
               decides_what_is_trained);
    for (size_t i = 0; i < saved.size(); ++i) saved[i].names = names[i];
}

/// Up to three names, and how many more there are.
std::string some_of(const std::vector<std::string>& names) {
    constexpr size_t most = 3;
    if (names.size() <= most) return join(names);
    return concat(join(std::vector<std::string>(names.begin(), names.begin() + most)), " and ",
                  names.size() - most, " more");
}

/// The saved group of each parameter. Refuses parameters that the checkpoint has not, and the
/// other way round.
std::map<std::string, const SavedGroup*> by_name(const std::vector<SavedGroup>& saved,
                                                 const ResumeInput& input) {
    std::map<std::string, const SavedGroup*> groups;
    for (const SavedGroup& group : saved)
        for (const std::string& name : group.names) groups.emplace(name, &group);
    std::vector<std::string> added, gone;
    std::map<std::string, const SavedGroup*> left = groups;
    for (const NamedParameter& parameter : input.parameters)
        if (left.erase(parameter.name) == 0) added.push_back(parameter.name);
    for (const auto& [name, group] : left) gone.push_back(name);
    if (added.empty() && gone.empty()) return groups;
    std::string why;
    if (!added.empty()) why = "trained now and not then: " + some_of(added);
    if (!gone.empty())
        why += concat(why.empty() ? "" : "; ", "trained then and not now: ", some_of(gone));
    refuse(input, why, decides_what_is_trained);
}

/// A checkpoint without names of an optimizer that treats kinds of parameters in different ways had
/// one group for all kinds: the rate of the other kinds was in proportion to the group's.
ParamGroup of_other_kind(const ParamGroup& saved, const ParamGroup& configured,
                         const ResumeInput& input) {
    if (std::any_of(input.changes.begin(), input.changes.end(), is_held_by_groups))
        refuse(input,
               "this checkpoint does not hold the settings of all kinds of parameters, so they "
               "must be as they were",
               is_held_by_groups);
    ParamGroup group = configured;
    const double usual = configured.followed_lr.value_or(configured.initial_lr);
    if (usual > 0 && saved.initial_lr > 0) {
        group.initial_lr = configured.initial_lr * (saved.initial_lr / usual);
        group.lr = group.initial_lr * (saved.lr / saved.initial_lr);
        if (configured.followed_lr) group.followed_lr = saved.initial_lr;
    }
    return group;
}

bool is_other_kind(const NamedParameter& parameter, const Optimizer& optimizer) {
    const GroupDefaults own = optimizer.defaults(parameter.tensor);
    return own.lr != optimizer.default_lr() ||
           own.weight_decay != optimizer.default_weight_decay() ||
           own.momentum != optimizer.default_momentum();
}

/// The learning rate that the plan sets in place of the checkpoint's.
void set_rate(ParamGroup& group, const ParamGroup& configured, const ResumePlan& plan) {
    if (plan.learning_rate == ResumePlan::LearningRate::keep) return;
    group.lr_mult = configured.lr_mult;
    group.initial_lr = configured.initial_lr;
    group.followed_lr = configured.followed_lr;
    if (plan.learning_rate == ResumePlan::LearningRate::number) {
        const double usual = plan.number * configured.lr_mult;
        group.initial_lr = usual;
        if (configured.followed_lr) {
            group.initial_lr = usual * (configured.initial_lr / *configured.followed_lr);
            group.followed_lr = usual > 0 ? std::optional(usual) : std::nullopt;
        }
    }
    group.lr = group.initial_lr;
}

ParamGroup settings_of(const NamedParameter& parameter, const SavedGroup& saved,
                       const ParamGroup& configured, const ResumeInput& input) {
    ParamGroup group;
    if (!saved.has_multiples && is_other_kind(parameter, input.optimizer)) {
        group = of_other_kind(saved.settings, configured, input);
    } else {
        group = saved.settings;
        if (!saved.has_multiples) {
            group.lr_mult = configured.lr_mult;
            group.decay_mult = configured.decay_mult;
            // A file of PyTorch's may have none.
            if (!group.momentum) {
                group.momentum = configured.momentum;
                group.initial_momentum = configured.initial_momentum;
            }
        }
    }
    if (group.momentum.has_value() != configured.momentum.has_value())
        refuse(
            input,
            concat(parameter.name, group.momentum ? " was" : " was not",
                   " trained with momentum, and ", configured.momentum ? "is" : "is not", " now"),
            is_momentum);
    group.names.clear();
    group.params.clear();
    set_rate(group, configured, input.plan);
    return group;
}

bool same_settings(const ParamGroup& a, const ParamGroup& b) {
    const auto equal = [&](const auto& field) { return a.*field.second == b.*field.second; };
    return std::all_of(std::begin(numbers), std::end(numbers), equal) &&
           std::all_of(std::begin(optional_numbers), std::end(optional_numbers), equal) &&
           std::all_of(std::begin(multiples), std::end(multiples), equal);
}

/// What differs, with the parameters that it differs for.
class Differences {
  public:
    void add(const std::string& what, const std::string& name) {
        for (auto& [text, names] : all_)
            if (text == what) return names.push_back(name);
        all_.emplace_back(what, std::vector<std::string>{name});
    }
    std::vector<std::string> lines(size_t parameters) const {
        std::vector<std::string> lines;
        for (const auto& [text, names] : all_)
            lines.push_back(concat(text, names.size() == parameters
                                             ? std::string(", for all parameters")
                                             : concat(", for ", join(names))));
        return lines;
    }

  private:
    std::vector<std::pair<std::string, std::vector<std::string>>> all_;
};

void compare(const ParamGroup& group, const ParamGroup& configured, const ParamGroup& saved,
             const ResumePlan& plan, const std::string& name, Differences& differences) {
    const auto kept = [&](const char* what, double has, double configuration) {
        if (has != configuration)
            differences.add(
                concat(what, " is kept at ", has, " (the configuration gives ", configuration, ")"),
                name);
    };
    if (plan.learning_rate == ResumePlan::LearningRate::keep)
        kept("lr", group.initial_lr, configured.initial_lr);
    else if (group.initial_lr != saved.initial_lr)
        differences.add(concat("lr is set to ", group.initial_lr, " by resume_lr (it was ",
                               saved.initial_lr, ")"),
                        name);
    kept("weight decay", group.weight_decay, configured.weight_decay);
    const auto momentum = [](const ParamGroup& of) {
        return (of.initial_momentum ? of.initial_momentum : of.momentum).value_or(0);
    };
    kept("momentum", momentum(group), momentum(configured));
}

}  // namespace

Node save_groups(const std::vector<ParamGroup>& groups) {
    Node::List list;
    for (const ParamGroup& group : groups) {
        Node entry = Node::map();
        for (const auto& [name, field] : numbers) entry.set(name, Node(group.*field));
        for (const auto& [name, field] : multiples) entry.set(name, Node(group.*field));
        for (const auto& [name, field] : optional_numbers)
            if (group.*field) entry.set(name, Node(*(group.*field)));
        Node::List names;
        for (const std::string& name : group.names) names.push_back(Node::string(name));
        entry.set(names_key, Node::list(std::move(names)));
        list.push_back(std::move(entry));
    }
    return Node::list(std::move(list));
}

ResumedGroups resume_groups(const Node* saved, const ResumeInput& input) {
    std::vector<SavedGroup> groups = read_groups(saved);
    if (std::all_of(groups.begin(), groups.end(),
                    [](const SavedGroup& group) { return group.names.empty(); }))
        add_names(groups, input);
    const std::map<std::string, const SavedGroup*> saved_by_name = by_name(groups, input);
    std::map<std::string, const ParamGroup*> configured_by_name;
    for (const ParamGroup& group : input.optimizer.groups())
        for (const std::string& name : group.names) configured_by_name.emplace(name, &group);
    ResumedGroups result;
    Differences differences;
    for (const NamedParameter& parameter : input.parameters) {
        const SavedGroup& its = *saved_by_name.at(parameter.name);
        const ParamGroup& configured = *configured_by_name.at(parameter.name);
        ParamGroup settings = settings_of(parameter, its, configured, input);
        compare(settings, configured, its.settings, input.plan, parameter.name, differences);
        auto group =
            std::find_if(result.groups.begin(), result.groups.end(),
                         [&](const ParamGroup& other) { return same_settings(other, settings); });
        if (group == result.groups.end())
            group = result.groups.insert(result.groups.end(), std::move(settings));
        group->names.push_back(parameter.name);
        group->params.push_back(parameter.tensor);
    }
    result.notes = differences.lines(input.parameters.size());
    return result;
}

}  // namespace ailab
