#include "monitor.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ailab/better.hpp"

namespace ailab {
namespace {

std::string missing(const std::string& name, Phase phase, const std::vector<std::string>& known) {
    const std::string nearest = nearest_name(name, known);
    return concat("the phase ", phase_name(phase), " has no result \"", name, '"',
                  nearest.empty() ? "." : "; did you mean \"" + nearest + "\"?",
                  known.empty() ? "" : " It has: " + join(known) + ".");
}

}  // namespace

Monitor::Monitor(const ResultName& result, Phase phase, const std::optional<std::string>& rule)
    : name_(result.value),
      place_(result.place),
      phase_(phase),
      greater_(rule ? *rule == "greater" : !less_is_better_by_name(result.value)),
      by_name_(!rule) {}

std::string Monitor::describe() const {
    return concat(phase_name(phase_), ' ', name_, greater_ ? ", greater" : ", less",
                  by_name_ ? " is better by its name (rule sets it)" : " is better");
}

bool Monitor::better(double a, double b, double min_delta) const {
    if (std::isnan(a)) return false;
    if (std::isnan(b)) return true;
    return greater_ ? a > b + min_delta : a < b - min_delta;
}

double Monitor::worst() const {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    return greater_ ? -infinity : infinity;
}

double Monitor::value(const Run& run) const {
    std::vector<std::string> known;
    for (const auto& [name, value] : run.results(phase_)) {
        if (name == name_) return value;
        known.push_back(name);
    }
    throw Error(missing(name_, phase_, known));
}

void Monitor::check(const RunPlan& plan, Problems& problems) const {
    if (std::find(plan.phases.begin(), plan.phases.end(), phase_) == plan.phases.end()) {
        problems.add(place_, concat("\"", name_, "\" is watched in the phase ", phase_name(phase_),
                                    ", which the workflow does not have. Add it, or name another "
                                    "phase."));
        return;
    }
    const auto found = plan.results.find(phase_);
    // A model that owns its step publishes what it likes.
    if (found == plan.results.end() || found->second.empty()) return;
    const std::vector<std::string>& known = found->second;
    if (std::find(known.begin(), known.end(), name_) == known.end())
        problems.add(place_, missing(name_, phase_, known));
}

Phase phase_of(const std::string& name) {
    return name == "train" ? Phase::train : name == "val" ? Phase::val : Phase::test;
}

Bounds monitor_rules() {
    return one_of({"greater", "less"});
}

}  // namespace ailab
