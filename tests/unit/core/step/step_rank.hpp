#pragma once
// One rank of a training step without a run: a model, a loss and optimizers, ranks that are
// threads.
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/distributed/thread_backend.hpp"
#include "core/distributed/thread_comm.hpp"
#include "step/training_step.hpp"

namespace ailab::test {

/// Knows sums alone: the step has no other collective.
class SumsComm final : public ThreadComm {
  public:
    using ThreadComm::ThreadComm;
    void all_reduce_max(at::Tensor&) override { refuse(); }
    void all_reduce_min(at::Tensor&) override { refuse(); }
    void broadcast(at::Tensor&, int) override { refuse(); }
    std::string broadcast_text(const std::string&) override { refuse(); }
    std::vector<std::string> gather_text(const std::string&) override { refuse(); }
    void barrier() override { refuse(); }

  private:
    [[noreturn]] static void refuse() { throw Error("the step has no other collective"); }
};

class SeededDevice final : public Device {
  public:
    c10::DeviceType type() const override { return c10::kCPU; }
    Availability available(const RankInfo&) const override { return {}; }
    c10::Device select(const RankInfo&) override { return c10::kCPU; }
    int64_t peak_memory() const override { return 0; }
    void seed(uint64_t seed) override { seeds.push_back(seed); }
    at::Tensor rng_state() const override { return {}; }
    void set_rng_state(const at::Tensor&) override {}

    std::vector<uint64_t> seeds;
};

/// w -= lr * gradient; keeps what it was given.
class PlainSgd : public Optimizer {
  public:
    double default_lr() const override { return 0.1; }
    void step(const Tensor&, const Tensor& found_inf) override {
        const at::NoGradGuard no_grad;
        if (found_inf.defined() && found_inf.item<double>() != 0) return;
        ++steps;
        for (ParamGroup& group : groups())
            for (Tensor& parameter : group.params)
                if (parameter.grad().defined()) parameter.sub_(parameter.grad(), group.lr);
    }
    int steps = 0;
};

/// Takes two evaluations of the loss a step.
class TwiceSgd final : public PlainSgd {
  public:
    using PlainSgd::step;
    bool needs_closure() const override { return true; }
    void step(const std::function<double()>& closure) override {
        values.push_back(closure());
        PlainSgd::step({}, {});
        values.push_back(closure());
    }
    std::vector<double> values;
};

/// What a step tells: the events, the gradients before the update, means of what is recorded.
class Recorder final : public StepObserver {
  public:
    explicit Recorder(const std::vector<const GradientStore*>& stores) : stores_(stores) {}

    void after_backward() override {
        events.push_back("after_backward");
        if (on_backward) on_backward();
    }
    std::vector<double> own_flags() override { return flags; }
    void note_flags(std::span<const double> sums) override {
        noted.assign(sums.begin(), sums.end());
    }
    void gradients_complete() override { events.push_back("gradients_complete"); }
    void before_step() override {
        events.push_back("before_step");
        gradients.clear();
        for (const GradientStore* store : stores_)
            for (const NamedParameter& parameter : store->parameters())
                gradients[parameter.name] =
                    parameter.tensor.grad().defined() ? parameter.tensor.grad().clone() : Tensor();
        if (on_step) on_step();
    }
    void after_step() override { events.push_back("after_step"); }
    bool records() const override { return true; }
    void record(const std::string& name, const Tensor& mean, double weight,
                const Tensor& unless) override {
        if (unless.defined() && unless.item<double>() != 0) return;
        sums[name].first += mean.item<double>() * weight;
        sums[name].second += weight;
    }
    void nothing_counts() override { events.push_back("nothing_counts"); }

    std::vector<std::string> events;
    std::map<std::string, Tensor> gradients;  // undefined where there is none
    std::map<std::string, std::pair<double, double>> sums;
    std::vector<double> flags, noted;
    std::function<void()> on_backward, on_step;

  private:
    const std::vector<const GradientStore*> stores_;
};

/// Two layers and, in float64, what autograd says of them to the last digits. A third one, `apart`,
/// is used if `uses_apart`; `tied` is the first one's weight under a second name.
class Net : public Model {
  public:
    explicit Net(bool ties = false) {
        first = register_module("first", torch::nn::Linear(3, 4));
        second = register_module("second", torch::nn::Linear(4, 3));
        apart = register_module("apart", torch::nn::Linear(3, 3));
        to(at::kDouble);
        if (ties) tied = register_parameter("tied", first->weight);
        const at::NoGradGuard no_grad;
        int64_t seed = 1;
        for (Tensor& parameter : parameters())
            parameter.copy_(at::sin(at::arange(parameter.numel(), at::kDouble) * 0.7 + ++seed)
                                .view(parameter.sizes()) *
                            0.5);
    }
    Tensor forward(const Tensor& input) override {
        Tensor hidden = at::tanh(first(input));
        if (tied.defined()) hidden = hidden + at::linear(input, tied) * 0.3;
        const Tensor output = second(hidden);
        return uses_apart ? output + apart(input) : output;
    }

    torch::nn::Linear first{nullptr}, second{nullptr}, apart{nullptr};
    Tensor tied;
    bool uses_apart = true;
};

struct StepRankOptions {
    ClipConfig clip = {};
    bool find_unused_parameters = true;
    bool may_skip = false;
    std::optional<AutocastPlan> scaling = std::nullopt;
    /// Whether gradients are summed in memory of the ranks together.
    bool shares_memory = false;
    /// Whether the step takes its tensors to be where numbers are read late. (They are on the CPU.)
    bool on_device = false;
};

/// A model with a loss, its optimizers by name, and a step of them.
class StepRank {
  public:
    using Optimizers =
        std::map<std::string, std::pair<std::shared_ptr<Optimizer>, std::vector<NamedParameter>>>;

    StepRank(std::shared_ptr<Model> model_, std::shared_ptr<Loss> loss_,
             const Optimizers& optimizers, const std::shared_ptr<Meeting>& meeting, int rank,
             int size, const StepRankOptions& options = {})
        : model(std::move(model_)),
          loss(std::move(loss_)),
          comm(meeting, rank),
          updates(make_updates(optimizers, meeting, rank, size, options.shares_memory)),
          observer(stores(updates)),
          forward(config(), *model, loss.get(), std::nullopt, c10::kCPU),
          step({.model = *model,
                .loss = loss.get(),
                .forward = forward,
                .updates = updates,
                .comm = comm,
                .device = device,
                .scaling = options.scaling,
                .torch_device = options.on_device ? c10::kMeta : c10::kCPU,
                .clip = options.clip,
                .find_unused_parameters = options.find_unused_parameters,
                .may_skip = options.may_skip,
                .seed = 5},
               observer) {}

    /// A whole step over the iterations' batches. `assigned`: by the sampler, over all ranks.
    void take(std::vector<Batch> batches, int64_t assigned, int64_t number = 0) {
        take_unsettled(std::move(batches), assigned, number);
        step.settle();
    }
    void take_unsettled(std::vector<Batch> batches, int64_t assigned, int64_t number = 0) {
        step.begin({.step = number, .iterations = int64_t(batches.size()), .assigned = assigned});
        if (step.looks_ahead(int64_t(batches.size()))) {
            std::vector<const Batch*> all;
            for (const Batch& batch : batches) all.push_back(&batch);
            step.look_ahead(all);
        }
        for (Batch& batch : batches) {
            step.run(batch, comm.world_size());
            step.drop_terms();
        }
    }

    std::shared_ptr<Model> model;
    std::shared_ptr<Loss> loss;
    SumsComm comm;
    SeededDevice device;
    std::map<std::string, std::unique_ptr<ParameterUpdate>> updates;
    Recorder observer;
    ForwardPass forward;
    TrainingStep step;

  private:
    static const RunConfig& config() {
        static const RunConfig config = [] {
            RunConfig made;
            made.runtime.dtype = "float64";
            return made;
        }();
        return config;
    }
    static std::map<std::string, std::unique_ptr<ParameterUpdate>> make_updates(
        const Optimizers& optimizers, const std::shared_ptr<Meeting>& meeting, int rank, int size,
        bool shares_memory) {
        std::map<std::string, std::unique_ptr<ParameterUpdate>> updates;
        for (const auto& [name, entry] : optimizers) {
            const auto& [optimizer, parameters] = entry;
            ParamGroup group{.lr = optimizer->default_lr()};
            for (const NamedParameter& parameter : parameters) {
                group.names.push_back(parameter.name);
                group.params.push_back(parameter.tensor);
            }
            c10::intrusive_ptr<c10d::Backend> backend;
            if (size > 1 && shares_memory)
                backend = c10::make_intrusive<SharingBackend>(meeting, rank, size);
            else if (size > 1)
                backend = c10::make_intrusive<ThreadBackend>(meeting, rank, size);
            updates[name] = std::make_unique<ParameterUpdate>(
                optimizer, parameters, std::vector<ParamGroup>{group}, backend, 25);
        }
        return updates;
    }
    static std::vector<const GradientStore*> stores(
        const std::map<std::string, std::unique_ptr<ParameterUpdate>>& updates) {
        std::vector<const GradientStore*> all;
        for (const auto& [name, update] : updates) all.push_back(&update->gradients());
        return all;
    }
};

}  // namespace ailab::test
