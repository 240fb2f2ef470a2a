#pragma once
#include "ailab/ailab.hpp"

namespace ailab {

/// The numbers of an option like `weight`, one a class, as a tensor beside the model's output.
class ClassWeights {
  public:
    using List = std::optional<std::vector<double>>;

    /// `option` names them in messages.
    ClassWeights(const char* loss, const char* option, const List& list);

    /// For a rule of the options: what is wrong with the numbers of the option `name`, or "". All 0
    /// leave nothing to train on: the loss is 0, or nan as their mean.
    static std::string problem(const char* name, const List& list);

    explicit operator bool() const { return list_.defined(); }

    /// [classes] in the dtype and on the device of `output` [N, classes, …]; undefined if there are
    /// none. Throws Error when their number is not that of the classes.
    const Tensor& like(const Tensor& output);

    /// float64, in the shape of `classes`, int64: the weight of each. Of a number that is no class
    /// some weight.
    Tensor of(const Tensor& classes) const;

    /// The same as [classes, 1, …], to multiply output [N, classes, …]. Takes one number for an
    /// output [N] of one class.
    Tensor beside(const Tensor& output);

  private:
    void check(const Tensor& output) const;
    const Tensor& placed(const Tensor& output);

    const char* const loss_;
    const char* const option_;
    Tensor list_;
    Tensor placed_;
};

}  // namespace ailab
