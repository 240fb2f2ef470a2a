#pragma once
#include <optional>
#include <string>

#include "ailab/ailab.hpp"
#include "options/placed.hpp"

namespace ailab {

/// The option that names a result: `monitor: top1`.
using ResultName = Placed<std::string>;

/// A result of a phase that a hook follows, with the rule by which it gets better.
class Monitor {
  public:
    /// `rule` is "greater" or "less"; without one it follows from what check() learns of the
    /// result, else from its name.
    Monitor(const ResultName& result, Phase phase, const std::optional<std::string>& rule = {});

    const std::string& name() const { return name_; }
    Phase phase() const { return phase_; }
    /// Nothing where neither a rule nor the result tells: then a greater one counts as better here.
    std::optional<bool> greater_is_better() const { return greater_; }
    /// What the result's metric says of it, whatever the rule; known after check().
    std::optional<bool> told() const { return told_; }
    /// "val top1, greater is better"; says so if the rule was taken from the name or the metric.
    std::string describe() const;

    /// What is followed, for a state with a best value: {result, phase, rule}.
    Node save() const;
    /// Whether a state that has saved this is one of the same result, by the same rule.
    bool same_as(const Node& saved) const;

    /// Whether `a` is better than `b` by more than `min_delta`. NaN is better than nothing, and any
    /// number is better than NaN.
    bool better(double a, double b, double min_delta = 0) const;
    /// The worst value: every number but this one is better.
    double worst() const;

    /// The value that the phase has published. Throws Error when it did not, and when the ranks
    /// have different ones. Collective.
    double value(Run& run) const;

    /// For Hook::check(): adds a problem if the phase does not occur or will have no such result.
    /// Learns what the result's metric says of it. "f1_3" may be one of "f1", of which only the
    /// data tell.
    void check(const RunPlan& plan, Problems& problems);
    /// For Hook::check_results(): the names are those that there are.
    void check_results(const RunPlan& plan, Problems& problems) const;
    /// After check(): adds a problem if nothing tells which value is better.
    void require_rule(Problems& problems) const;
    /// For Hook::before_run(): throws ConfigError if it is the training's loss, which is no result
    /// of a model whose step is the core's.
    void check_training(Run& run) const;
    /// For Hook::before_run(): a warning if a rule contradicts the result's metric.
    void warn_of_rule(Run& run) const;

  private:
    bool better_when_greater() const { return greater_.value_or(true); }

    std::string name_;
    Place place_;
    Phase phase_;
    std::optional<bool> greater_, told_;
    bool has_rule_;
    bool is_there_ = true;
    bool may_be_published_ = false;  // by a model that owns its step, and nobody else
};

/// What `rule` options accept.
Bounds monitor_rules();

}  // namespace ailab
