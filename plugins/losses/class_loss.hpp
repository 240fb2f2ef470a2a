#pragma once
// Losses whose targets are class numbers: PyTorch divides the sum by the weights of the targets
// that count.
#include <functional>
#include <limits>

#include "class_weights.hpp"

namespace ailab {

/// Where the output has its classes: second, as PyTorch has them, or last, [N, …, classes]; `only`
/// for a loss without a choice.
enum class ClassAxis { only_second, second, last };

/// Targets that are class numbers.
class ClassTargets {
  public:
    ClassTargets(const char* loss, std::optional<int64_t> ignore_index,
                 ClassAxis axis = ClassAxis::only_second)
        : loss_(loss), axis_(axis), can_ignore_(true), ignore_index_(ignore_index) {}
    /// Of a loss that has no ignore_index.
    explicit ClassTargets(const char* loss) : loss_(loss) {}

    /// The target for output [N, classes, …] (or with the classes last): integers [N, …]. A channel
    /// of one, [N, 1, …], as an image of mode `unchanged` has it, is dropped. Throws Error for
    /// other shapes and types.
    Tensor fit(const Tensor& output, const Tensor& target) const;

    /// Runs `compute`, and looks at the targets only when LibTorch complains: throws Error if one
    /// is no class.
    Tensor guarded(const Tensor& output, const Tensor& target,
                   const std::function<Tensor()>& compute) const;

    /// The ignored class; without one a number that no target has.
    int64_t ignored() const { return ignore_index_.value_or(std::numeric_limits<int64_t>::min()); }
    bool ignores() const { return ignore_index_.has_value(); }

    /// bool, the target's shape: true where a target counts.
    Tensor counts(const Tensor& target) const { return target.to(at::kLong).ne(ignored()); }
    /// int64, the target's shape, with class 0 where a target is ignored: for gather().
    Tensor classes(const Tensor& target) const;

  private:
    void check_classes(const Tensor& output, const Tensor& target) const;

    const char* const loss_;
    const ClassAxis axis_ = ClassAxis::only_second;
    const bool can_ignore_ = false;
    const std::optional<int64_t> ignore_index_;
};

struct ClassLossOptions {
    ClassWeights::List weight;
    std::string reduction = "mean";
    std::optional<int64_t> ignore_index;
    bool classes_last = false;
    void visit(OptionVisitor& v) {
        v.option("weight", weight, "one weight a class", at_least(0));
        v.option("reduction", reduction,
                 "mean over the targets that count, by their weights, or sum",
                 one_of({"mean", "sum"}));
        v.option("ignore_index", ignore_index,
                 "targets of this class do not count; none by default (PyTorch's is -100), so that "
                 "the ranks need not tell each other how many do");
        v.option("classes_last", classes_last,
                 "the output is [N, …, classes], as language models have it, not [N, classes, …]");
        v.rule([this] { return ClassWeights::problem("weight", weight); });
    }
};

class ClassLoss : public Loss {
  public:
    std::optional<OutputKind> output_kind() const override { return OutputKind::class_scores; }
    bool has_own_weights() const override {
        return is_mean_ && (weighs_targets_ || targets_.ignores());
    }
    WeightSource weight_source() const override { return WeightSource::targets; }
    std::vector<std::optional<Tensor>> target_weights(const Batch& inputs) override;
    Tensor forward(const Tensor& output, const Tensor& target) override;
    std::vector<LossTerm> terms(const Batch& inputs) override;

  protected:
    /// `weight` goes into the mean's denominator too.
    ClassLoss(const char* loss, const ClassWeights::List& weight, const std::string& reduction,
              std::optional<int64_t> ignore_index, ClassAxis axis = ClassAxis::only_second)
        : loss_(loss),
          is_mean_(reduction == "mean"),
          weighs_targets_(weight.has_value()),
          classes_last_(axis == ClassAxis::last),
          weights_(loss, "weight", weight),
          targets_(loss, ignore_index, axis) {}
    ClassLoss(const char* loss, const ClassLossOptions& o)
        : ClassLoss(loss, o.weight, o.reduction, o.ignore_index,
                    o.classes_last ? ClassAxis::last : ClassAxis::second) {}

    /// output: [N, classes, …], target: [N, …] int64 -> the mean (at::Reduction::Mean) or sum.
    virtual Tensor compare(const Tensor& output, const Tensor& target, const Tensor& weight,
                           int64_t reduction) = 0;
    /// True for targets that are no class numbers but numbers of the output's shape, each of which
    /// counts as one.
    virtual bool is_dense(const Tensor& /*output*/, const Tensor& /*target*/) const {
        return false;
    }

    /// What the sum is divided by: the weights of the targets that count. A scalar.
    Tensor counted(const Tensor& output, const Tensor& target);
    const char* loss() const { return loss_; }
    const ClassTargets& targets() const { return targets_; }

  private:
    /// What compare() takes.
    struct Inputs {
        Tensor output;
        Tensor target;
        bool is_dense = false;
    };
    Inputs read(const Tensor& output, const Tensor& target) const;
    Tensor compared(const Inputs& inputs);
    Tensor compared(const Inputs& inputs, int64_t reduction);

    const char* const loss_;
    const bool is_mean_;
    const bool weighs_targets_;
    const bool classes_last_;
    ClassWeights weights_;
    const ClassTargets targets_;
};

}  // namespace ailab
