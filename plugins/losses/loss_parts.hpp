#pragma once
// Losses that are made of several named ones.
#include "ailab/ailab.hpp"

namespace ailab {

using LossSpecs = std::map<std::string, ModuleSpec<Loss>>;

/// The documentation of the option that holds them.
extern const char* const losses_doc;

/// What is wrong with their names, or "".
std::string check_part_names(const LossSpecs& specs);

/// Says so if a weight is not for one of them, or if all of them weigh 0; or "".
std::string check_weights(const std::map<std::string, double>& weights, const LossSpecs& specs);
/// 1 if none is given.
double weight_of(const std::string& name, const std::map<std::string, double>& weights);

/// One of them, with its binding to the fields that the whole is given.
class LossPart {
  public:
    /// Throws ConfigError if its mapping does not fit.
    LossPart(const std::string& name, const ModuleSpec<Loss>& spec);

    const std::string& name() const { return name_; }
    Loss& loss() const { return *loss_; }
    const std::shared_ptr<Loss>& shared() const { return loss_; }
    /// The fields that it takes.
    const std::vector<std::string>& fields() const { return fields_; }
    /// "ce", or "ce.one", "ce.two" for the terms of a loss that has several.
    const std::vector<std::string>& term_names() const { return term_names_; }
    /// Its terms under these names.
    std::vector<LossTerm> terms(const Batch& fields) const;
    /// Their weights as far as the targets tell.
    std::vector<std::optional<Tensor>> target_weights(const Batch& fields) const;

  private:
    std::string name_;
    std::string label_;
    std::shared_ptr<Loss> loss_;
    std::unique_ptr<InputBinding> inputs_;
    std::vector<std::string> fields_;
    std::vector<std::string> term_names_;
};

/// What follows from the parts alone: their fields, terms and states.
class LossOfParts : public Loss {
  public:
    /// What all of those that take the field `output` for their output agree on.
    std::optional<OutputKind> output_kind() const override;
    std::vector<std::string> inputs() const override;
    std::vector<std::string> term_names() const override;
    bool has_own_weights() const override;
    WeightSource weight_source() const override;
    std::vector<std::optional<Tensor>> target_weights(const Batch& inputs) override;
    bool follows_values() const override;
    void observe(const std::vector<double>& values) override;
    State save_state() const override;
    void load_state(const State& state) override;

  protected:
    explicit LossOfParts(const LossSpecs& specs);
    const std::vector<LossPart>& parts() const { return parts_; }

  private:
    std::vector<LossPart> parts_;
};

}  // namespace ailab
