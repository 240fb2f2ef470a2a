#include "monitor.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ailab/better.hpp"

namespace ailab {
namespace {

std::string missing(const std::string& name, Phase phase, const std::vector<std::string>& known) {
    const std::string nearest = nearest_name(name, known);
    return concat(
        "the phase ", phase_name(phase), " has no result \"", name, '"',
        nearest.empty() ? "." : "; did you mean \"" + nearest + "\"?",
        known.empty() ? "" : " It has: " + join(known) + ".",
        phase == Phase::train && name == "loss"
            ? " The loss of the training is logged, and is no result: follow that of val, "
              "or a metric with phases: [train]."
            : "");
}

}  // namespace

Monitor::Monitor(const ResultName& result, Phase phase, const std::optional<std::string>& rule)
    : name_(result.value),
      place_(result.place),
      phase_(phase),
      greater_(rule ? std::optional(*rule == "greater") : greater_is_better_by_name(result.value)),
      by_name_(!rule) {}

std::string Monitor::describe() const {
    return concat(phase_name(phase_), ' ', name_, better_when_greater() ? ", greater" : ", less",
                  by_name_ ? " is better by its name (rule sets it)" : " is better");
}

Node Monitor::save() const {
    Node node = Node::map();
    node.set("result", Node::string(name_));
    node.set("phase", Node::string(phase_name(phase_)));
    node.set("rule", Node::string(better_when_greater() ? "greater" : "less"));
    return node;
}

bool Monitor::same_as(const Node& saved) const {
    return saved.flow() == save().flow();
}

bool Monitor::better(double a, double b, double min_delta) const {
    if (std::isnan(a)) return false;
    if (std::isnan(b)) return true;
    return better_when_greater() ? a > b + min_delta : a < b - min_delta;
}

double Monitor::worst() const {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    return better_when_greater() ? -infinity : infinity;
}

double Monitor::value(const Run& run) const {
    std::vector<std::string> known;
    for (const auto& [name, value] : run.results(phase_)) {
        if (name == name_) return value;
        known.push_back(name);
    }
    throw Error(missing(name_, phase_, known));
}

void Monitor::check(const RunPlan& plan, Problems& problems) {
    is_there_ = false;
    if (std::find(plan.phases.begin(), plan.phases.end(), phase_) == plan.phases.end()) {
        problems.add(place_, concat("\"", name_, "\" is watched in the phase ", phase_name(phase_),
                                    ", which the workflow does not have. Add it, or name another "
                                    "phase."));
        return;
    }
    const auto found = plan.results.find(phase_);
    // A model that owns its step publishes what it likes.
    may_be_published_ = found != plan.results.end() && found->second.empty();
    if (found != plan.results.end() && !may_be_published_) {
        const std::vector<std::string>& known = found->second;
        if (std::find(known.begin(), known.end(), name_) == known.end())
            return problems.add(place_, missing(name_, phase_, known));
    }
    is_there_ = true;
}

void Monitor::require_rule(Problems& problems) const {
    if (is_there_ && !greater_)
        problems.add(place_, concat("the name of \"", name_,
                                    "\" does not tell whether a greater or a lesser value is "
                                    "better; say rule: greater or rule: less"));
}

void Monitor::check_training(Run& run) const {
    if (may_be_published_ && phase_ == Phase::train && !run.model().owns_step())
        throw ConfigError({{place_, missing(name_, phase_, {})}});
}

Phase phase_of(const std::string& name) {
    return name == "train" ? Phase::train : name == "val" ? Phase::val : Phase::test;
}

Bounds monitor_rules() {
    return one_of({"greater", "less"});
}

}  // namespace ailab
