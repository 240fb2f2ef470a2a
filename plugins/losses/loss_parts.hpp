#pragma once
// The named losses that a weighted loss is made of.
#include "ailab/ailab.hpp"

namespace ailab {

using LossSpecs = std::map<std::string, ModuleSpec<Loss>>;

/// What is wrong with their names, or "".
std::string check_part_names(const LossSpecs& specs);

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

  private:
    std::string name_;
    std::string label_;
    Binding binding_;
    std::shared_ptr<Loss> loss_;
    std::vector<std::string> inputs_;
    std::vector<std::string> fields_;
    std::vector<std::string> term_names_;
};

/// The states of the parts, each under its name, and back.
State save_parts(const std::vector<LossPart>& parts);
void load_parts(const std::vector<LossPart>& parts, const State& state);

}  // namespace ailab
