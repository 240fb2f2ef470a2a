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
    /// `rule` is "greater" or "less"; without one it follows from the name.
    Monitor(const ResultName& result, Phase phase, const std::optional<std::string>& rule = {});

    const std::string& name() const { return name_; }
    Phase phase() const { return phase_; }
    bool greater_is_better() const { return greater_; }
    /// "val top1, greater is better"; says so if the rule was taken from the name.
    std::string describe() const;

    /// Whether `a` is better than `b` by more than `min_delta`. NaN is better than nothing, and any
    /// number is better than NaN.
    bool better(double a, double b, double min_delta = 0) const;
    /// The worst value: every number but this one is better.
    double worst() const;

    /// The value that the phase has published. Throws Error when it did not.
    double value(const Run& run) const;

    /// For Hook::check(): adds a problem if the phase does not occur or will have no such result.
    void check(const RunPlan& plan, Problems& problems) const;

  private:
    std::string name_;
    Place place_;
    Phase phase_;
    bool greater_;
    bool by_name_;
};

/// The phase of the name "train", "val" or "test".
Phase phase_of(const std::string& name);

/// What `rule` options accept.
Bounds monitor_rules();

}  // namespace ailab
