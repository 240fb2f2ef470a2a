// Cross entropy between scores and class numbers, with PyTorch's options.
#include <limits>

#include "ailab/ailab.hpp"

namespace ailab {
namespace {

/// When no ignore_index is given: a class number that no target has.
constexpr int64_t nothing_ignored = std::numeric_limits<int64_t>::min();

class CrossEntropyLoss final : public Loss {
  public:
    struct Options {
        std::optional<std::vector<double>> weight;
        std::string reduction = "mean";
        double label_smoothing = 0;
        std::optional<int64_t> ignore_index;
        void visit(OptionVisitor& v) {
            v.option("weight", weight, "one weight a class", at_least(0));
            v.option("reduction", reduction, "mean or sum over the samples",
                     one_of({"mean", "sum"}));
            v.option("label_smoothing", label_smoothing,
                     "part of the target that is spread over all classes", between(0, 1));
            v.option("ignore_index", ignore_index, "targets of this class do not count");
        }
    };

    explicit CrossEntropyLoss(const Options& options) : o(options) {
        if (o.weight) weight_ = torch::tensor(*o.weight, at::kDouble);
    }

    bool has_own_weights() const override {
        return o.reduction == "mean" && (o.weight || o.ignore_index);
    }

    Tensor forward(const Tensor& output, const Tensor& target) override {
        return entropy(output, target,
                       o.reduction == "mean" ? at::Reduction::Mean : at::Reduction::Sum);
    }

    std::vector<LossTerm> terms(const Batch& inputs) override {
        const Tensor& output = inputs.tensor("output");
        const Tensor& target = inputs.tensor("target");
        LossTerm term{.name = "loss"};
        if (has_own_weights()) {
            term.sum = entropy(output, target, at::Reduction::Sum);
            term.weight = counted(target, output);
        } else {
            term.sum = forward(output, target);
            term.is_mean = o.reduction == "mean";
            // The sum over the batch is its mean times its size.
            if (!term.is_mean)
                term.scale = double(inputs.global_size > 0 ? inputs.global_size : output.size(0));
        }
        return {std::move(term)};
    }

  private:
    Tensor entropy(const Tensor& output, const Tensor& target, at::Reduction::Reduction reduction) {
        check_shapes(output, target);
        try {
            return at::cross_entropy_loss(output, target, weights_like(output), reduction,
                                          o.ignore_index.value_or(nothing_ignored),
                                          o.label_smoothing);
        } catch (const c10::Error&) {
            check_classes(output, target);  // looks at the targets only when something is wrong
            throw;
        }
    }

    /// What the sum is divided by: the weights of the targets that count.
    Tensor counted(const Tensor& target, const Tensor& output) {
        const at::NoGradGuard no_grad;
        const int64_t ignored = o.ignore_index.value_or(nothing_ignored);
        const Tensor counts = target.ne(ignored);
        if (!o.weight) return counts.sum().to(output.scalar_type());
        const Tensor classes = target.masked_fill(counts.logical_not(), 0);
        return weights_like(output).index({classes}).mul(counts).sum();
    }

    Tensor weights_like(const Tensor& output) {
        if (weight_.defined() &&
            (weight_.device() != output.device() || weight_.scalar_type() != output.scalar_type()))
            weight_ = weight_.to(output.device(), output.scalar_type());
        return weight_;
    }

    void check_shapes(const Tensor& output, const Tensor& target) const {
        const auto shapes = [&] {
            return concat(" Got output ", c10::str(output.sizes()), " and target ",
                          c10::str(target.sizes()), ".");
        };
        if (output.dim() < 2)
            throw Error("CrossEntropyLoss: output must be [N, classes, …], one score a class." +
                        shapes());
        if (!at::isIntegralType(target.scalar_type(), /*includeBool=*/false))
            throw Error(concat("CrossEntropyLoss: target must hold class numbers (int64), got ",
                               c10::toString(target.scalar_type()), ".", shapes()));
        std::vector<int64_t> expected = output.sizes().vec();
        expected.erase(expected.begin() + 1);
        if (target.sizes() != at::IntArrayRef(expected))
            throw Error(concat("CrossEntropyLoss: target must have the shape ",
                               c10::str(at::IntArrayRef(expected)),
                               ", that of output without its "
                               "classes.",
                               shapes()));
        if (o.weight && int64_t(o.weight->size()) != output.size(1))
            throw Error(concat("CrossEntropyLoss: weight has ", o.weight->size(),
                               " numbers, but the model's output has ", output.size(1),
                               " classes; give one weight a class.", shapes()));
    }

    void check_classes(const Tensor& output, const Tensor& target) const {
        const Tensor wrong = target.lt(0)
                                 .logical_or(target.ge(output.size(1)))
                                 .logical_and(target.ne(o.ignore_index.value_or(nothing_ignored)));
        const Tensor bad = target.masked_select(wrong);
        if (bad.numel() == 0) return;
        throw Error(concat("CrossEntropyLoss: a target is ", bad[0].item<int64_t>(),
                           ", outside of the classes 0 … ", output.size(1) - 1,
                           " of the model's output. Check the labels of the data set and the "
                           "model's number of classes, or set ignore_index."));
    }

    const Options o;
    Tensor weight_;
};

}  // namespace

AILAB_REGISTER_LOSS(CrossEntropyLoss, "Cross entropy of scores [N, classes, …] and class numbers")

}  // namespace ailab
