#include <algorithm>

#include "ailab/ailab.hpp"
#include "never_due.hpp"
#include "only_one.hpp"
#include "options/limits.hpp"
#include "options/placed.hpp"
#include "saved_number.hpp"

namespace ailab {
namespace {

/// An exponential moving average of the parameters (Polyak and Juditsky, "Acceleration of
/// Stochastic Approximation by Averaging", SIAM J. Control Optim. 30(4), 1992):
///     average = decay * average + (1 - decay) * parameter.
/// Evaluations run on it, and it is what is exported. Buffers (running means) are the model's own.
/// It starts with the weights after `begin` steps; until then there is none. A frozen parameter
/// equals its average exactly, so one may be frozen or freed at any time.
class EMAHook final : public Hook {
  public:
    struct Options {
        double decay = 0.9999;
        bool warmup = false;
        Placed<int64_t> update_every{1, {}};
        Placed<int64_t> begin{0, {}};
        void visit(OptionVisitor& v) {
            v.option("decay", decay, "part of the average that each update keeps",
                     {.min = 0, .max = 1, .exclusive_max = true});
            v.option("warmup", warmup,
                     "begin with less: min(decay, (1 + t) / (10 + t)) after t updates");
            v.option("update_every", update_every, "optimizer steps from one update to the next",
                     steps_from(1));
            v.option("begin", begin, "optimizer steps before the average begins", steps_from(0));
        }
    };

    explicit EMAHook(const Options& options) : o(options) {}

    int default_priority() const override { return priority::low; }
    bool for_training_only() const override { return true; }

    void before_run(Run& run) override {
        refuse_second(run, "EMAHook", "the weights that are evaluated");
        model_ = &run.model();
        for (const auto& item : model_->named_parameters()) {
            const Tensor& parameter = item.value();
            if (!parameter.is_floating_point() && !parameter.is_complex()) continue;
            // One tensor under several names (tied weights) has one average.
            const auto known =
                std::find_if(parameters_.begin(), parameters_.end(),
                             [&](const Tensor& other) { return other.is_same(parameter); });
            if (known == parameters_.end()) {
                names_.push_back({item.key()});
                parameters_.push_back(parameter);
            } else {
                names_[size_t(known - parameters_.begin())].push_back(item.key());
            }
        }
        if (loaded_) adopt();
        log_info("moving average of the weights: on, decay ", o.decay, o.warmup ? ", warm-up" : "",
                 o.begin.value > 0 ? concat(", from step ", o.begin.value) : "",
                 "; val and test run with the averaged weights");
        warn_if_never(run);
    }

    void before_train_epoch(Run& run) override { begin_if_due(run); }
    // A model that owns its step may call several optimizers in one.
    void after_step(Run&) override { stepped_ = true; }
    void after_train_iter(Run& run) override {
        if (!stepped_) return;
        stepped_ = false;
        if (averages_.empty())
            begin_if_due(run);
        else if (run.progress().step % o.update_every.value == 0)
            update();
    }

    std::vector<std::pair<Tensor, Tensor>> evaluation_weights() const override {
        std::vector<std::pair<Tensor, Tensor>> weights;
        for (size_t i = 0; i < averages_.size(); ++i)
            weights.emplace_back(parameters_[i], averages_[i]);
        return weights;
    }
    std::map<std::string, Tensor> export_weights() const override {
        if (averages_.empty()) return {};
        std::map<std::string, Tensor> weights;
        for (const auto& item : model_->named_parameters())
            weights[item.key()] = item.value().detach();
        for (const auto& item : model_->named_buffers())
            weights[item.key()] = item.value().detach();
        for (size_t i = 0; i < names_.size(); ++i)
            for (const std::string& name : names_[i]) weights[name] = averages_[i];
        return weights;
    }

    State save_state() const override {
        State state;
        state.values.set("updates", Node(updates_));
        for (size_t i = 0; i < averages_.size(); ++i) state.tensors[names_[i][0]] = averages_[i];
        return state;
    }
    void load_state(const State& state) override {
        loaded_ = state;
        if (model_) adopt();
    }

  private:
    void warn_if_never(Run& run) const {
        const int64_t steps = run.progress().total_steps;
        const int64_t begin = o.begin.value, every = o.update_every.value;
        if (steps < 1) return;
        if (begin >= steps)
            warn_of_no_effect(run, o.begin.place,
                              concat("EMAHook averages nothing: it begins after ", begin,
                                     " optimizer steps, and the run has ", steps,
                                     ". Lower begin, or remove the hook"));
        else if (steps / every == begin / every)
            warn_of_no_effect(
                run, o.update_every.place,
                concat("EMAHook never updates its average: update_every is ", every,
                       " optimizer steps, and the run has ", steps,
                       ", so val, test and what is exported have the weights of step ", begin,
                       ". Lower update_every, or remove the hook"));
    }

    void begin_if_due(const Run& run) {
        if (averages_.empty() && run.progress().step >= o.begin.value)
            averages_ = copies(parameters_);
    }

    void update() {
        const at::NoGradGuard no_grad;
        const auto t = double(updates_++);
        const double decay = o.warmup ? std::min(o.decay, (1 + t) / (10 + t)) : o.decay;
        at::_foreach_lerp_(averages_, parameters_, 1 - decay);
    }

    /// Takes what was saved in place of the present averages.
    void adopt() {
        averages_.clear();
        updates_ = saved_number(*loaded_, "EMAHook", "updates").as_int();
        std::vector<Tensor> averages;
        for (size_t i = 0; i < names_.size() && !loaded_->tensors.empty(); ++i) {
            auto found = loaded_->tensors.end();
            for (size_t n = 0; n < names_[i].size() && found == loaded_->tensors.end(); ++n)
                found = loaded_->tensors.find(names_[i][n]);
            if (found == loaded_->tensors.end() || found->second.sizes() != parameters_[i].sizes())
                throw Error(concat("the saved averages of EMAHook have no ", names_[i][0],
                                   " of this model's shape; they are of another model"));
            averages.push_back(
                at::empty_like(parameters_[i], at::TensorOptions().requires_grad(false)));
            averages.back().copy_(found->second);
        }
        averages_ = std::move(averages);
        loaded_.reset();
    }

    /// With the strides of the tensors.
    static std::vector<Tensor> copies(const std::vector<Tensor>& tensors) {
        std::vector<Tensor> result;
        for (const Tensor& tensor : tensors) result.push_back(tensor.detach().clone());
        return result;
    }

    const Options o;
    Model* model_ = nullptr;                       // the run's, which is there as long as its hooks
    std::vector<std::vector<std::string>> names_;  // all of each parameter
    std::vector<Tensor> parameters_;
    std::vector<Tensor> averages_;  // empty until the average begins
    std::optional<State> loaded_;   // until the model is known
    int64_t updates_ = 0;
    bool stepped_ = false;  // an optimizer, in this iteration
};

}  // namespace

AILAB_REGISTER_HOOK(EMAHook,
                    "Evaluates and exports an exponential moving average of the weights (priority "
                    "70)")

}  // namespace ailab
