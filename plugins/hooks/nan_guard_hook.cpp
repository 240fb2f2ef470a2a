#include <algorithm>
#include <cmath>

#include "ailab/ailab.hpp"
#include "leaves_out.hpp"
#include "options/limits.hpp"
#include "saved_number.hpp"

namespace ailab {
namespace {

bool all_finite(const Tensor& gradient) {
    const Tensor values = gradient.is_sparse() ? gradient._values() : gradient;
    return at::isfinite(values).all().item<bool>();
}

/// "loss_box nan, loss_class inf": this rank's terms that are not finite.
std::string terms_not_finite(Run& run) {
    std::vector<std::string> terms;
    for (const auto& [name, value] : run.loss_values())
        if (!std::isfinite(value)) terms.push_back(concat(name, ' ', value));
    return join(terms);
}

/// What is known of the losses of all ranks. Collective.
std::string describe_losses(Run& run) {
    const std::vector<std::string> all = run.comm().gather_text(terms_not_finite(run));
    std::vector<std::string> ranks;
    for (size_t rank = 0; rank < all.size(); ++rank)
        if (!all[rank].empty()) ranks.push_back(concat(all[rank], " on rank ", rank));
    return ranks.empty() ? "No loss term is nan or infinite" : "Loss terms: " + join(ranks, "; ");
}

/// The first parameter, in the order of registration, whose gradient is not finite; or "".
std::string first_not_finite(const torch::nn::Module& module) {
    for (const auto& item : module.named_parameters()) {
        const Tensor& gradient = item.value().grad();
        if (gradient.defined() && !all_finite(gradient)) return item.key();
    }
    return "";
}

std::string describe_gradients(Run& run) {
    std::string name = first_not_finite(run.model());
    if (name.empty() && run.loss()) {
        name = first_not_finite(*run.loss());
        if (!name.empty()) name.insert(0, "loss.");
    }
    return name.empty() ? "Each gradient is finite, and only their norm is not"
                        : "The first parameter with such a gradient is " + name;
}

/// Where, and what is not finite: the same text on all ranks. Collective.
std::string describe(Run& run) {
    const Progress& progress = run.progress();
    return run.comm().broadcast_text(
        concat("epoch ", progress.epoch + 1, ", iteration ", progress.iter + 1, ", step ",
               progress.step + 1, ": the norm of the gradients is ", run.grad_norm(), ". ",
               describe_gradients(run), ". ", describe_losses(run), "."));
}

/// Looks at gradients alone, and only for nan and infinity: a loss that grows, or that goes to a
/// constant, is finite and no business of this hook.
class NanGuardHook final : public Hook, public LeavesStepsOut {
  public:
    struct Options {
        std::string action = "stop";
        int64_t max_skips = 10;
        int64_t max_rollbacks = 3;
        void visit(OptionVisitor& v) {
            v.option("action", action,
                     "at a gradient that is nan or infinite: end the run, leave the step out, or "
                     "go back to the newest checkpoint",
                     one_of({"stop", "skip", "rollback"}));
            v.option("max_skips", max_skips, "steps in a row that may be left out", steps_from(0));
            v.option("max_rollbacks", max_rollbacks, "how often a run may go back", steps_from(0));
        }
    };

    explicit NanGuardHook(const Options& options) : o(options) {}

    bool for_training_only() const override { return true; }

    // The norm is the same on all ranks, so all act alike.
    void before_step(Run& run) override {
        has_left_out_ = !std::isfinite(run.grad_norm());
        if (!has_left_out_) {
            skips_ = 0;
            return;
        }
        const std::string message = describe(run);
        if (o.action == "stop")
            throw Error(message +
                        " Lower the learning rate, clip the gradients, or look at the data");
        if (o.action == "skip" || !roll_back(run, message)) skip(run, message);
    }

    bool has_left_out() const override { return has_left_out_; }

    State save_state() const override {
        State state;
        state.values.set("skips", Node(skips_));
        state.values.set("rollbacks", Node(rollbacks_));
        return state;
    }
    void load_state(const State& state) override {
        skips_ = saved_number(state, "NanGuardHook", "skips").as_int();
        // Going back must not forget that it went back.
        rollbacks_ =
            std::max(rollbacks_, saved_number(state, "NanGuardHook", "rollbacks").as_int());
    }

  private:
    /// False while there is no checkpoint.
    bool roll_back(Run& run, const std::string& message) {
        if (rollbacks_ >= o.max_rollbacks)
            throw Error(concat(message, " The run has gone back ", rollbacks_,
                               " times, and max_rollbacks is ", o.max_rollbacks));
        if (!run.roll_back(message)) return false;
        ++rollbacks_;
        skips_ = 0;
        run.skip_step(message);
        warn(run, concat(message, " The run goes back to its newest checkpoint (", rollbacks_,
                         " of max_rollbacks ", o.max_rollbacks, ")"));
        return true;
    }

    void skip(Run& run, const std::string& message) {
        if (skips_ >= o.max_skips)
            throw Error(concat(message, " The ", skips_,
                               " steps before were left out too, and max_skips is ", o.max_skips));
        ++skips_;
        run.skip_step(message);
        warn(run, concat(message, " The step is left out (", skips_, " of max_skips ", o.max_skips,
                         " in a row)"));
    }

    static void warn(Run& run, const std::string& text) {
        if (run.is_main()) log_warning(text);
    }

    const Options o;
    int64_t skips_ = 0;          // in a row
    bool has_left_out_ = false;  // the last step
    int64_t rollbacks_ = 0;
};

}  // namespace

AILAB_REGISTER_HOOK(NanGuardHook,
                    "At a gradient that is nan or infinite: ends the run, leaves the step out or "
                    "goes back; a loss that diverges and stays finite is not noticed (priority 50)")

}  // namespace ailab
