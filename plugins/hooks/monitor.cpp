#include "monitor.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ailab/support/better.hpp"
#include "same_results.hpp"

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

bool is_among(const std::string& name, const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// "f1_3", "f1": a result, and what it may be one of several of.
std::vector<std::string> whole_and_beginnings(const std::string& name) {
    std::vector<std::string> all = {name};
    for (size_t end = name.rfind('_'); end != name.npos && end > 0; end = name.rfind('_', end - 1))
        all.push_back(name.substr(0, end));
    return all;
}

}  // namespace

Monitor::Monitor(const ResultName& result, Phase phase, const std::optional<std::string>& rule)
    : name_(result.value),
      place_(result.place),
      phase_(phase),
      greater_(rule ? std::optional(*rule == "greater") : greater_is_better_by_name(result.value)),
      has_rule_(rule.has_value()) {}

std::string Monitor::describe() const {
    return concat(phase_name(phase_), ' ', name_, better_when_greater() ? ", greater" : ", less",
                  has_rule_ ? " is better"
                  : told_   ? " is better, as its metric says (rule sets it)"
                            : " is better by its name (rule sets it)");
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

double Monitor::value(Run& run) const {
    std::vector<std::string> known;
    for (const auto& [name, value] : run.results(phase_)) {
        if (name == name_) {
            check_same_results({{name, value}}, run.comm(),
                               concat("What is published under the name \"", name,
                                      "\" is to be the same on all ranks, since they act upon it"));
            return value;
        }
        known.push_back(name);
    }
    throw Error(missing(name_, phase_, known));
}

void Monitor::check(const RunPlan& plan, Problems& problems) {
    is_there_ = false;
    const std::vector<std::string> candidates = whole_and_beginnings(name_);
    for (const std::string& candidate : candidates) {
        const auto told = plan.greater_is_better.find(candidate);
        if (told == plan.greater_is_better.end()) continue;
        told_ = told->second;
        if (!has_rule_) greater_ = told_;
        break;
    }
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
        if (std::none_of(candidates.begin(), candidates.end(),
                         [&](const std::string& name) { return is_among(name, known); }))
            return problems.add(place_, missing(name_, phase_, known));
    }
    is_there_ = true;
}

void Monitor::check_results(const RunPlan& plan, Problems& problems) const {
    const auto found = plan.results.find(phase_);
    if (found == plan.results.end() || found->second.empty()) return;
    if (!is_among(name_, found->second))
        problems.add(place_, missing(name_, phase_, found->second));
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

void Monitor::warn_of_rule(Run& run) const {
    if (!has_rule_ || !told_ || *told_ == greater_ || !run.is_main()) return;
    log_warning(place_.str(), ": rule: ", better_when_greater() ? "greater" : "less",
                " is followed, but ", *told_ ? "more" : "less", " of \"", name_,
                "\" is better, as its metric says");
}

Bounds monitor_rules() {
    return one_of({"greater", "less"});
}

}  // namespace ailab
