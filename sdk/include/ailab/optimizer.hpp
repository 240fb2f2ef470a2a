#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ailab/batch.hpp"
#include "ailab/registry.hpp"
#include "ailab/state.hpp"

namespace ailab {

/// Parameters with one learning rate. The names are those of the module tree, in the same order.
struct ParamGroup {
    std::vector<std::string> names;
    std::vector<Tensor> params;
    double lr = 0;
    /// What the schedule multiplies: the configured learning rate.
    double initial_lr = 0;
    double weight_decay = 0;
    /// SGD's momentum, Adam's first beta: for schedules that move it; unset where there is none.
    std::optional<double> momentum;
    std::optional<double> initial_momentum;
    /// The multiples of the optimizer's settings that `paramwise_cfg` gives the parameters.
    double lr_mult = 1;
    double decay_mult = 1;
    /// Set where the rate goes in proportion to another one, as that of Muon's AdamW does to
    /// Muon's: that one's initial_lr, above 0. A schedule is asked for it in place of initial_lr.
    std::optional<double> followed_lr;
};

/// The settings that a parameter starts with, by the optimizer's options.
struct GroupDefaults {
    double lr = 0;
    double weight_decay = 0;
    std::optional<double> momentum = std::nullopt;
    /// Whether schedules that move the momentum move this one.
    bool scheduled_momentum = true;
};

/// An optimizer. Constructed with its options; the core calls add_group() before the first step.
/// The core saves and restores the groups' numbers, by the parameters' names; save_state() and
/// load_state() are for what the optimizer keeps besides, and groups() are as they will be when
/// load_state() is called. Not thread-safe.
class AILAB_API Optimizer : public Stateful {
  public:
    ~Optimizer() override;

    /// The configured learning rate and weight decay, which new groups start with.
    virtual double default_lr() const = 0;
    virtual double default_weight_decay() const { return 0; }
    virtual std::optional<double> default_momentum() const { return std::nullopt; }
    /// The same for one parameter: an optimizer that treats kinds of parameters in different ways
    /// (Muon) overrides it. Parameters with other defaults come into groups of their own; a rate
    /// other than default_lr() goes in proportion to it.
    virtual GroupDefaults defaults(const Tensor& param) const;

    /// One step from the parameters' gradients; undefined gradients are left out. Gradients are
    /// divided by `grad_scale` and the step is left out if `found_inf` is not 0, both float32
    /// scalars on the parameters' device, undefined when not in use.
    virtual void step(const Tensor& grad_scale = {}, const Tensor& found_inf = {}) = 0;

    /// True for an optimizer that evaluates the loss several times a step (LBFGS): the core then
    /// calls step(closure) in place of step().
    virtual bool needs_closure() const { return false; }
    /// `closure` computes the loss of the whole batch and the gradients at the parameters' present
    /// values, over all ranks: the same number on each.
    virtual void step(const std::function<double()>& closure);

    void add_group(ParamGroup group) { groups_.push_back(std::move(group)); }
    std::vector<ParamGroup>& groups() { return groups_; }
    const std::vector<ParamGroup>& groups() const { return groups_; }
    /// The learning rate as the schedule has it now, without multipliers: what logs call `lr`.
    double scheduled_lr() const;

  private:
    std::vector<ParamGroup> groups_;
};

}  // namespace ailab
