#pragma once
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "ailab/run.hpp"
#include "forward_pass.hpp"
#include "parameter_update.hpp"
#include "step_window.hpp"
#include "sync_batch_norm.hpp"
#include "term_gradients.hpp"

namespace ailab {

/// From the batches of a step to the gradients of its loss. Divides each term so that the sum over
/// ranks and accumulated iterations is the gradient of the one big batch. Main thread.
class BackwardPass {
  public:
    /// `loss` may be null. `window` is that of the present step: its `samples` are set when the
    /// ranks tell each other how many they have.
    /// `sync`: null where batch norms take each rank's own statistics.
    BackwardPass(const ForwardPass& forward, Loss* loss, Comm& comm, StepWindow& window,
                 SyncBatchNorm* sync);

    /// Before a step.
    void begin();
    /// Forward and backward of one iteration, `last` of the step, the gradients times `scale` if
    /// that is defined. Collective when the loss has weights of its own.
    void run(Batch& batch, ParameterUpdate& update, bool last, const Tensor& scale);
    /// Records the loss of the iteration; of the whole step, in its last one, where the terms are
    /// kept apart until then.
    void record(Run& run) const;
    /// What this rank's samples contribute to the loss of the step, which is one iteration.
    double share() const;
    /// Whether there are samples in the step, and nothing counts in any term of its loss: all
    /// targets are ignored. Known where this rank has samples.
    bool counts_nothing() const {
        return !counts_.empty() && window_.samples > 0 &&
               std::find(counts_.begin(), counts_.end(), true) == counts_.end();
    }
    /// Tells a loss that follows them the values of the step's terms. Collective.
    void tell_loss();
    /// The terms on this rank's samples, but for those in which none counts, until drop_terms().
    std::vector<std::pair<std::string, double>> loss_values() const;
    /// After an iteration: frees what its forward pass has kept.
    void drop_terms() { terms_.clear(); }

  private:
    /// Terms with weights of their own can be divided only when all iterations of the step are
    /// seen.
    bool keeps_apart() const { return forward_.has_own_weights() && window_.iterations() > 1; }
    bool loss_follows() const { return loss_ && loss_->follows_values(); }
    void add_to_sums();
    std::vector<double> iteration_factors();
    std::vector<double> step_factors();
    void sum_weights(std::vector<double>& weights);
    void backward(ParameterUpdate& update, bool last, const Tensor& scale);
    template <class Compute>
    void pass(const Compute& compute);

    const ForwardPass& forward_;
    Loss* const loss_;
    Comm& comm_;
    StepWindow& window_;
    SyncBatchNorm* const sync_;

    // Of the step.
    TermGradients gradients_;
    std::vector<Tensor> sums_;     // of each term, over this rank's samples
    std::vector<Tensor> weights_;  // of each term
    std::vector<double> scales_;

    // Of the present iteration.
    int64_t batch_size_ = 0;  // on this rank
    std::vector<LossTerm> terms_;
    std::vector<double> factors_;  // of each term; empty until they are known
    /// Of each term whether anything counts, on whatever rank: without, there is no loss to record.
    std::vector<bool> counts_;
};

}  // namespace ailab
