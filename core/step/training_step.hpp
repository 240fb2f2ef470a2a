#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "accumulation_window.hpp"
#include "ailab/device.hpp"
#include "backward_pass.hpp"
#include "loss_scaler.hpp"
#include "parameter_update.hpp"
#include "schema/run_config.hpp"
#include "step_observer.hpp"

namespace ailab {

/// What a training step works with.
struct StepParts {
    Model& model;
    Loss* loss;  // or none
    const ForwardPass& forward;
    /// By the optimizer's name; one has the name "".
    const std::map<std::string, std::unique_ptr<ParameterUpdate>>& updates;
    Comm& comm;
    Device& device;
    SyncBatchNorm* sync_batch_norm = nullptr;
    /// Of float16 training.
    std::optional<AutocastPlan> scaling = std::nullopt;
    c10::Device torch_device = c10::kCPU;
    ClipConfig clip = {};
    bool find_unused_parameters = true;
    /// Samples that are broken may be left out: how many are there is told with the gradients.
    bool may_skip = false;
    uint64_t seed = 0;
};

/// The training step: forward, losses, backward, gradients, update; over one iteration or several
/// that are accumulated, by an optimizer, by one that evaluates the loss again (a closure), or by
/// the model's own code (a manual step). Nothing in it waits for a device, but for what says so.
/// Main thread.
class TrainingStep {
  public:
    TrainingStep(StepParts parts, StepObserver& observer);

    /// Before the first iteration of a step: `window` has its number, its iterations, and how many
    /// samples the sampler assigns them.
    void begin(AccumulationWindow window);
    /// Whether the batches of a step of so many iterations are wanted before it, by look_ahead().
    bool looks_ahead(int64_t iterations) const {
        return !parts_.model.owns_step() && backward_.looks_ahead(iterations);
    }
    /// After begin(): the batches of the step on this rank. Collective.
    void look_ahead(const std::vector<const Batch*>& batches) { backward_.look_ahead(batches); }
    /// One iteration; in the last one of the window the step is taken. Collective. `ranks`: those
    /// that have samples in it; what the model returns joins the batch.
    void run(Batch& batch, int ranks);
    /// Before a device's numbers are needed, and at the end of a phase: hands on those that the
    /// last step has left there.
    void settle();

    /// The samples of the present window are taken.
    bool done() const { return window_.done == window_.iterations; }
    const AccumulationWindow& window() const { return window_; }

    /// From before_step to after_step: of the gradients of the optimizer that steps; waits for the
    /// device. 0 where float16 gradients were not finite.
    double grad_norm();
    /// In before_step: leaves this optimizer's step out.
    void skip(const std::string& reason);
    /// Of the present iteration, until drop_terms().
    std::vector<std::pair<std::string, double>> loss_values() const {
        return backward_.loss_values();
    }
    void drop_terms() { backward_.drop_terms(); }

    /// What a run that goes on needs: of the loss's scale in float16 training.
    LossScaler* scaler() { return scaler_.get(); }
    /// See BackwardPass::unit().
    double loss_unit() const { return backward_.unit(); }
    void set_loss_unit(double unit) { backward_.set_unit(unit); }

  private:
    friend class ManualStep;

    /// What gradients and loss are still to be divided by when they are summed over the ranks: the
    /// sum of `weight`; they were divided by `unit` until then. None: they are divided.
    struct Undivided {
        StepNumber weight;
        double unit = 1;
    };
    struct Reduced {
        StepNumber loss;
        StepNumber weight;
    };
    /// What a device has not told yet.
    struct Pending {
        ParameterUpdate* update;
        int64_t step;
        size_t flags;
        bool divides;
    };

    void standard_step();
    void closure_step(ParameterUpdate& update);
    void manual_step();
    void seed();
    void differentiate(ParameterUpdate& update);
    double reduce_loss(ParameterUpdate& update, bool wants_loss);
    Reduced reduce(ParameterUpdate& update, const std::optional<Undivided>& undivided,
                   double share = 0);
    bool reads_now(ParameterUpdate& update) const;
    bool tells_now() const { return parts_.torch_device.is_cpu(); }
    void hand_on(const Pending& pending);
    void check_unused(const Pending& pending);
    void apply(ParameterUpdate& update, const std::function<void()>& step);
    std::string named(const char* value) const;
    /// Those of a closure's first evaluation are the step's.
    bool records_losses() const { return !evaluates_again_ && observer_.records(); }
    void clip(GradientStore& gradients);
    Tensor scale() const { return scaler_ ? scaler_->scale() : Tensor(); }
    Tensor found_inf() const { return scaler_ ? scaler_->found_inf() : Tensor(); }

    const StepParts parts_;
    StepObserver& observer_;
    AccumulationWindow window_;
    const std::unique_ptr<LossScaler> scaler_;  // or none
    BackwardPass backward_;

    Batch* batch_ = nullptr;               // of the present iteration
    ParameterUpdate* stepping_ = nullptr;  // from before_step to after_step
    Tensor grad_norm_;
    std::string skip_reason_;
    bool evaluates_again_ = false;     // the loss of a step, by a closure
    std::vector<StepNumber> numbers_;  // that travel with the gradients
    std::optional<Pending> pending_;
};

}  // namespace ailab
