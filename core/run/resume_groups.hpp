#pragma once
// The settings of parameters (learning rate, weight decay, momentum) in checkpoints: each goes by
// the parameter's name, whatever groups there are.
#include <string>
#include <vector>

#include "ailab/optimizer.hpp"
#include "config_changes.hpp"
#include "param_groups.hpp"
#include "resume.hpp"

namespace ailab {

/// The groups' numbers and names: `groups` in the values of an optimizer's saved state.
Node save_groups(const std::vector<ParamGroup>& groups);

/// What the groups of a run that goes on become.
struct ResumedGroups {
    std::vector<ParamGroup> groups;
    /// What differs from the configuration, or by `resume_lr` from the checkpoint: a line each, for
    /// the log.
    std::vector<std::string> notes;
};

/// What to match saved groups with.
struct ResumeInput {
    /// Of the checkpoint.
    const std::string& path;
    /// With the groups as the configuration makes them.
    const Optimizer& optimizer;
    /// The optimizer's, in the order of the module tree.
    const std::vector<NamedParameter>& parameters;
    Trained trained;
    const RunConfig& config;
    /// What the configuration has changed since the checkpoint.
    const std::vector<ConfigChange>& changes;
    const ResumePlan& plan;
};

/// `saved` is what save_groups() gave, or groups without names as checkpoints once held them (by
/// the configuration's places then) or as a .pth file gives them. Weight decay, momentum and, if
/// the plan keeps it, the learning rate are the checkpoint's. Throws ConfigError that names the
/// keys to set back when a parameter cannot be matched, Error when `saved` is damaged.
ResumedGroups resume_groups(const Node* saved, const ResumeInput& input);

}  // namespace ailab
