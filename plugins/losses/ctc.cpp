// Connectionist temporal classification (Graves et al. 2006).
#include "reduced_loss.hpp"

namespace ailab {
namespace {

class CTCLoss final : public ReducedLoss {
  public:
    struct Options {
        int64_t blank = 0;
        std::string reduction = "mean";
        bool zero_infinity = false;
        bool batch_first = false;
        void visit(OptionVisitor& v) {
            v.option("blank", blank, "the class number of the blank", between(0, 1e9));
            v.option("reduction", reduction,
                     "mean over the samples, each divided by the length of its target; or sum",
                     one_of({"mean", "sum"}));
            v.option("zero_infinity", zero_infinity,
                     "a target that is too long for its input counts 0, not infinity");
            v.option("batch_first", batch_first,
                     "log_probs is [N, T, classes] instead of PyTorch's [T, N, classes]");
        }
    };
    explicit CTCLoss(const Options& options)
        : ReducedLoss("CTCLoss", options.reduction), o(options) {}

    /// log_probs: [T, N, classes] after log_softmax; targets: [N, S] padded, or all of them [sum of
    /// target_lengths]; input_lengths, target_lengths: [N].
    std::vector<std::string> inputs() const override {
        return {"log_probs", "targets", "input_lengths", "target_lengths"};
    }

  protected:
    Tensor reduced(const Batch& inputs) override {
        Tensor log_probs = inputs.tensor("log_probs");
        if (log_probs.dim() == 3 && o.batch_first) log_probs = log_probs.transpose(0, 1);
        const Tensor& targets = inputs.tensor("targets");
        check(log_probs, targets, inputs);
        return with_shapes(loss(), inputs, [&] {
            return at::ctc_loss(log_probs, targets, inputs.tensor("input_lengths"),
                                inputs.tensor("target_lengths"), o.blank, reduction(),
                                o.zero_infinity);
        });
    }

  private:
    /// Classes but for the blank; what lies behind a target's end is not looked at. LibTorch reads
    /// past the scores otherwise.
    void check_classes(const Tensor& targets, const Tensor& target_lengths, int64_t classes) const {
        if (!targets.is_cpu() || !at::isIntegralType(targets.scalar_type(), false)) return;
        Tensor wrong =
            targets.lt(0).logical_or(targets.ge(classes)).logical_or(targets.eq(o.blank));
        if (targets.dim() == 2)
            wrong = wrong.logical_and(
                at::arange(targets.size(1)).lt(target_lengths.cpu().unsqueeze(1)));
        const Tensor bad = targets.masked_select(wrong);
        if (bad.numel() == 0) return;
        throw Error(concat("CTCLoss: targets must be class numbers below ", classes,
                           ", and not the blank's (", o.blank, "); got ", bad[0].item<int64_t>(),
                           "."));
    }

    /// log_probs: [T, N, classes].
    void check(const Tensor& log_probs, const Tensor& targets, const Batch& inputs) const {
        if (log_probs.dim() != 3)
            throw Error(
                concat("CTCLoss: log_probs must be [T, N, classes], or [N, T, classes] "
                       "with batch_first: true.",
                       got(inputs)));
        const int64_t samples = log_probs.size(1);
        for (const char* name : {"input_lengths", "target_lengths"}) {
            const Tensor& lengths = inputs.tensor(name);
            if (lengths.dim() != 1 || lengths.size(0) != samples ||
                !at::isIntegralType(lengths.scalar_type(), /*includeBool=*/false))
                throw Error(concat("CTCLoss: ", name, " must be [N] integers, N = ", samples,
                                   " as in log_probs", o.batch_first ? "" : " (its dimension 1)",
                                   ".", got(inputs)));
        }
        if (targets.dim() < 1 || targets.dim() > 2 ||
            (targets.dim() == 2 && targets.size(0) != samples))
            throw Error(concat("CTCLoss: targets must be [N, longest target], N = ", samples,
                               " as in log_probs, or all of them one after the other.",
                               got(inputs)));
        if (o.blank >= log_probs.size(2))
            throw Error(concat("CTCLoss: blank is ", o.blank, ", but log_probs has ",
                               log_probs.size(2), " classes.", got(inputs)));
        check_classes(targets, inputs.tensor("target_lengths"), log_probs.size(2));
    }

    const Options o;
};

}  // namespace

AILAB_REGISTER_LOSS(CTCLoss,
                    "Connectionist temporal classification (Graves et al. 2006); targets are class "
                    "numbers but the blank's")

}  // namespace ailab
