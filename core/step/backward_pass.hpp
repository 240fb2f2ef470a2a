#pragma once
#include <string>
#include <utility>
#include <vector>

#include "accumulation_window.hpp"
#include "ailab/comm.hpp"
#include "forward_pass.hpp"
#include "step_observer.hpp"
#include "sync_batch_norm.hpp"
#include "term_gradients.hpp"

namespace ailab {

/// From the batches of a step to the gradients of its loss. Divides each term so that the sum over
/// ranks and accumulated iterations is the gradient of the one big batch. Main thread.
class BackwardPass {
  public:
    /// `loss` may be null. `window` is that of the present step: its `samples` are set when the
    /// ranks tell each other how many they have.
    /// `sync`: null where batch norms take each rank's own statistics. `near`: the ranks tell each
    /// other a number in less time than a pass over all gradients takes.
    BackwardPass(const ForwardPass& forward, Loss* loss, Comm& comm, AccumulationWindow& window,
                 SyncBatchNorm* sync, bool near);

    /// Before a step.
    void begin();
    /// Whether the weights of a step of so many iterations are to be summed before its first one,
    /// by look_ahead().
    bool looks_ahead(int64_t iterations) const { return division(iterations) == Division::ahead; }
    /// After begin(): the batches of the whole step on this rank, those without samples too.
    /// Collective.
    void look_ahead(const std::vector<const Batch*>& batches);

    /// Forward and backward of one iteration, the gradients times `scale` if that is defined.
    /// Collective where the weights of the terms are exchanged.
    void run(Batch& batch, GradientStore& gradients, const Tensor& scale);
    /// Whether gradients and loss of the step are still to be divided when they are summed over the
    /// ranks.
    bool divides_later() const { return division() == Division::after_reduction; }
    /// Then: what this rank adds to the weight that they are divided by, and what they were divided
    /// by until then.
    StepNumber own_weight() const { return weights_.empty() ? StepNumber() : weights_[0]; }
    double unit() const { return unit_; }
    /// Before the first step of a run that goes on: its unit.
    void set_unit(double unit) { unit_ = unit; }
    /// The sum of own_weight().
    void divided_by(const StepNumber& weight);
    /// The same sum, when the host knows it: by it the next steps scale their sums, so that they do
    /// not overflow half precision.
    void expect_weight(double weight);

    /// Records the loss of the iteration; in the last one of a step, that of the whole step where
    /// its terms can be divided only then. After divided_by(), where divides_later().
    void record(StepObserver& observer) const;
    /// What this rank's samples contribute to the loss of the step, which is one iteration, before
    /// it is divided later.
    double share() const;
    /// Whether there are samples in the step, and nothing counts in any term of its loss: all
    /// targets are ignored. Of what the host knows.
    bool counts_nothing() const;
    /// Tells a loss that follows them the values of the step's terms. Collective.
    void tell_loss();
    /// The terms on this rank's samples, but for those in which none counts, until drop_terms().
    std::vector<std::pair<std::string, double>> loss_values() const;
    /// After an iteration: frees what its forward pass has kept.
    void drop_terms() { terms_.clear(); }

  private:
    /// When the weights that terms are divided by are known.
    enum class Division {
        by_samples,       // before: the sampler knows
        alone,            // after the forward pass, which is the whole step
        ahead,            // before, by the targets of the whole step
        after_reduction,  // with the gradients: one for all terms
        exchanged,        // between forward and backward, which are the whole step
        by_term,          // after the last forward pass; gradients are kept apart until then
    };
    Division division(int64_t iterations) const;
    Division division() const { return division(window_.iterations); }
    bool loss_follows() const { return loss_ && loss_->follows_values(); }

    template <class Compute>
    void pass(const Compute& compute);
    void backward(GradientStore& gradients, const Tensor& scale);
    void add_to_sums();
    StepNumber weight_of(const LossTerm& term) const;
    void weigh_terms();
    std::vector<double> summed(std::vector<double> numbers);
    void check_foretold() const;

    const ForwardPass& forward_;
    Loss* const loss_;
    Comm& comm_;
    AccumulationWindow& window_;
    SyncBatchNorm* const sync_;
    const bool near_;
    /// Of all terms, a power of two near the weight of a step that is not known yet; 0 before the
    /// first.
    double unit_ = 0;
    bool all_have_weights_ = false;  // of their own, the terms of the last samples here

    // Of the step.
    TermGradients gradients_;
    std::vector<StepNumber> sums_;     // of each term, over this rank's samples
    std::vector<StepNumber> weights_;  // of each term, over this rank's samples
    std::vector<double> scales_;
    std::vector<std::vector<std::optional<double>>> foretold_;  // of each iteration, on the host
    /// Of each term over the ranks, as far as it is known.
    std::vector<StepNumber> totals_;

    // Of the present iteration.
    int64_t batch_size_ = 0;  // on this rank
    std::vector<LossTerm> terms_;
    std::vector<StepNumber> factors_;  // that each term's gradient starts with
};

}  // namespace ailab
