#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include "metric_sums.hpp"

namespace ailab {
namespace {

ModuleSpec<Metric> accuracy(int64_t topk) {
    Node node = Node::map();
    node.set("type", Node::string("Accuracy"));
    node.set("topk", Node(topk));
    Problems problems;
    ModuleSpec<Metric> spec;
    spec.config = read_module("metric", node, "MetricHook's default metric", problems);
    problems.check();
    return spec;
}

class MetricHook final : public Hook {
  public:
    struct Options {
        std::map<std::string, ModuleSpec<Metric>> metrics;
        void visit(OptionVisitor& v) {
            v.rest(
                metrics,
                "name: {type: …, mapping: …, phases: [val, test]}; by default top1 and top5, the "
                "accuracies, where the targets are class numbers");
            v.rule([this] { return check_phases(); });
        }
        std::string check_phases() const {
            const std::vector<std::string> known = {"train", "val", "test"};
            for (const auto& [name, spec] : metrics)
                for (const std::string& phase : spec.binding().phases)
                    if (std::find(known.begin(), known.end(), phase) == known.end())
                        return concat("phases of metric ", name, " may be ", join(known), "; got ",
                                      phase);
            return "";
        }
    };

    explicit MetricHook(const Options& options) {
        std::map<std::string, ModuleSpec<Metric>> specs = options.metrics;
        by_default_ = specs.empty();
        if (by_default_) specs = {{"top1", accuracy(1)}, {"top5", accuracy(5)}};
        for (const auto& [name, spec] : specs)
            metrics_.push_back({name, concat("metric ", name, " (", spec.type(), ")"), spec.config,
                                spec.create()});
        for (const Phase phase : {Phase::train, Phase::val, Phase::test})
            for (Named& metric : metrics_)
                if (metric.runs_in(phase)) by_phase_[size_t(phase)].push_back(&metric);
    }

    int default_priority() const override { return priority::above_normal; }

    void check(const RunPlan& plan, Problems& problems) override {
        if (by_default_) return;  // left out where they do not fit
        for (const Named& metric : metrics_)
            for (const Phase phase : plan.phases) {
                if (!metric.runs_in(phase)) continue;
                check_binding(plan.fields.at(phase), metric.metric->inputs(), metric.config,
                              metric.label, problems);
                break;  // once a metric: the phases' fields are mostly the same
            }
    }

    void after_train_iter(Run& run) override { update(run, Phase::train); }
    void after_val_iter(Run& run) override { update(run, Phase::val); }
    void after_test_iter(Run& run) override { update(run, Phase::test); }
    void after_train_epoch(Run& run) override { publish(run, Phase::train); }
    void after_val_epoch(Run& run) override { publish(run, Phase::val); }
    void after_test_epoch(Run& run) override { publish(run, Phase::test); }

    // A checkpoint in the middle of a training epoch holds the sums over all ranks until then;
    // rank 0 goes on with them, the others with nothing, so the sums are right for any number of
    // ranks.
    void before_save_checkpoint(Run& run, const std::string&) override {
        saved_ = State();
        const std::vector<Named*>& active = of_phase(Phase::train);
        if (active.empty()) return;
        const std::vector<MetricStates> sums = sum_states(pointers(active), run.comm());
        for (size_t i = 0; i < active.size(); ++i)
            for (const auto& [name, sum] : sums[i])
                saved_.tensors[active[i]->name + "/" + name] = sum;
    }
    State save_state() const override { return saved_; }
    void load_state(const State& state) override { saved_ = state; }
    void after_load_checkpoint(Run& run, const std::string& path) override {
        for (Named* metric : of_phase(Phase::train)) {
            metric->metric->reset();
            if (!run.is_main()) continue;
            for (auto& [name, tensor] : metric->metric->states()) {
                const auto found = saved_.tensors.find(metric->name + "/" + name);
                if (found == saved_.tensors.end() || found->second.sizes() != tensor.sizes() ||
                    found->second.scalar_type() != tensor.scalar_type())
                    throw Error(concat("the checkpoint ", path, " has no sums of ", metric->label,
                                       " that fit; it was written with other metrics"));
                tensor = found->second.clone();
            }
        }
    }

  private:
    struct Named {
        std::string name;
        std::string label;  // for messages
        ModuleConfig config;
        std::shared_ptr<Metric> metric;

        bool runs_in(Phase phase) const {
            const std::vector<std::string>& phases = config.binding.phases;
            if (phases.empty()) return phase != Phase::train;
            return std::find(phases.begin(), phases.end(), phase_name(phase)) != phases.end();
        }
    };

    const std::vector<Named*>& of_phase(Phase phase) const { return by_phase_[size_t(phase)]; }
    static std::vector<Metric*> pointers(const std::vector<Named*>& metrics) {
        std::vector<Metric*> result;
        for (Named* metric : metrics) result.push_back(metric->metric.get());
        return result;
    }

    void update(Run& run, Phase phase) {
        const std::vector<Named*>& active = of_phase(phase);
        if (active.empty()) return;
        if (run.batch().size == 0) return;  // this rank has no samples in the last batch
        if (by_default_ && !classifies(run.batch())) return;
        const at::NoGradGuard no_grad;
        for (Named* metric : active) update(run, *metric);
    }
    static void update(Run& run, Named& metric) {
        const Batch inputs =
            bind_inputs(run.batch(), metric.metric->inputs(), metric.config.binding, metric.label);
        try {
            metric.metric->update_batch(inputs);
        } catch (const c10::Error& error) {
            throw Error(concat(metric.label, ": ", error.what_without_backtrace()));
        } catch (const std::exception& error) {
            throw Error(concat(metric.label, ": ", error.what()));
        }
    }

    /// No rank has counted anything.
    static bool is_empty(const MetricStates& sums) {
        return std::all_of(sums.begin(), sums.end(), [](const auto& sum) {
            return sum.second.count_nonzero().template item<int64_t>() == 0;
        });
    }

    /// Accuracy was not asked for by name: it is left out where it means nothing.
    static bool classifies(const Batch& batch) {
        for (const char* name : {"target", "label"})
            if (batch.has(name))
                return std::holds_alternative<Tensor>(batch.fields.at(name)) &&
                       c10::isIntegralType(batch.tensor(name).scalar_type(), false);
        return false;
    }

    void publish(Run& run, Phase phase) {
        const std::vector<Named*>& active = of_phase(phase);
        if (active.empty()) return;
        const std::vector<MetricStates> sums = sum_states(pointers(active), run.comm());
        // The sums are the same on all ranks, so all leave alike.
        if (by_default_ && is_empty(sums[0])) {
            log_info(
                "MetricHook names no metric, and the targets are no class numbers: no accuracy "
                "is computed");
            by_phase_ = {};
            return;
        }
        for (size_t i = 0; i < active.size(); ++i) {
            for (const auto& [suffix, value] : active[i]->metric->compute(sums[i]))
                run.publish(suffix.empty() ? active[i]->name : active[i]->name + "_" + suffix,
                            value);
            active[i]->metric->reset();
        }
    }

    bool by_default_ = false;
    std::vector<Named> metrics_;
    std::array<std::vector<Named*>, 3> by_phase_;
    State saved_;
};

}  // namespace

AILAB_REGISTER_HOOK(MetricHook,
                    "Computes metrics over all ranks after each val and test phase (priority 40)")

}  // namespace ailab
