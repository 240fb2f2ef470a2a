#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "log_line.hpp"
#include "metric_exchange.hpp"

namespace ailab {
namespace {

ModuleSpec<Metric> accuracy(int64_t topk, std::optional<int64_t> ignore_index) {
    Node node = Node::map();
    node.set("type", Node::string("Accuracy"));
    node.set("topk", Node(topk));
    if (ignore_index) node.set("ignore_index", Node(*ignore_index));
    Problems problems;
    ModuleSpec<Metric> spec;
    spec.config = read_module("metric", node, "MetricHook's default metric", problems);
    problems.check();
    return spec;
}

bool is_mapped(const Node& module) {
    const Node* mapping = module.find("mapping");
    return mapping && mapping->is_map() && !mapping->members().empty();
}

/// What the configured loss, or the parts of one that compare the usual target, ignore: nothing if
/// they do not agree.
std::optional<int64_t> ignored_by(const Node& loss) {
    if (const Node* own = loss.find("ignore_index"); own && own->is_int()) return own->as_int();
    const Node* parts = loss.find("losses");
    if (!parts || !parts->is_map()) return {};
    std::set<int64_t> all;
    for (const Member& part : parts->members()) {
        if (is_mapped(part.value)) continue;
        if (const auto one = ignored_by(part.value)) all.insert(*one);
    }
    return all.size() == 1 ? std::optional(*all.begin()) : std::nullopt;
}

using Mapping = std::map<std::string, std::string>;

/// Whether a loss of those fields takes targets of the output's shape as labels, each yes or no,
/// and not as the classes' probabilities; of a loss with parts, whether all of these fields do.
/// Nothing if it is of other fields.
std::optional<bool> compares_labels(const Node& loss, const Mapping& fields) {
    const auto text = [](const Node* node) {
        return node && node->is_string() ? node->as_string() : std::string();
    };
    if (const Node* parts = loss.find("losses"); parts && parts->is_map()) {
        std::optional<bool> all;
        for (const Member& part : parts->members())
            if (const auto one = compares_labels(part.value, fields))
                all = all.value_or(true) && *one;
        return all;
    }
    Mapping own;
    if (is_mapped(loss))
        for (const Member& bound : loss.find("mapping")->members())
            own[bound.key] = text(&bound.value);
    if (own != fields) return {};
    const std::string type = text(loss.find("type"));
    return type == "BCEWithLogitsLoss" || type == "BCELoss" || type == "MultiLabelSoftMarginLoss" ||
           text(loss.find("activation")) == "sigmoid";
}

/// The metric with `task: labels` where its task is to be found out.
ModuleSpec<Metric> of_labels(const ModuleSpec<Metric>& metric) {
    Node node = metric.config.write();
    const Node* task = node.find("task");
    if (!task || !task->is_string() || task->as_string() != "auto") return metric;
    node.set("task", Node::string("labels"));
    Problems problems;
    ModuleSpec<Metric> told;
    told.config = read_module("metric", node, "a metric of labels", problems);
    if (!problems.list().empty()) return metric;  // its tasks are other ones
    told.config.place = metric.config.place;
    return told;
}

class MetricHook final : public Hook {
  public:
    struct Options {
        std::map<std::string, ModuleSpec<Metric>> metrics;
        void visit(OptionVisitor& v) {
            v.rest(
                metrics,
                "name: {type: …, mapping: …, phases: [val, test]}; by default top1 and top5, the "
                "accuracies, where the targets are class numbers, but for the loss's ignore_index");
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
        by_default_ = options.metrics.empty();
        set_metrics(by_default_ ? default_metrics({}) : options.metrics);
    }

    int default_priority() const override { return priority::above_normal; }
    bool changes_evaluations() const override { return false; }

    void check(const RunPlan& plan, Problems& problems) override {
        check_names(plan, problems);
        if (by_default_) return;  // left out where they do not fit
        for (const Named& metric : metrics_) {
            std::set<std::string> said;  // the phases mostly have the same fields
            for (const Phase phase : plan.phases) {
                if (!metric.runs_in(phase)) continue;
                Problems found;
                check_binding(plan.fields.at(phase), metric.inputs, metric.spec.config,
                              metric.label, found);
                for (const Problem& problem : found.list())
                    if (said.insert(problem.text).second)
                        problems.add(problem.place,
                                     concat(problem.text, " (phase ", phase_name(phase), ")"));
            }
        }
    }

    /// Where only the data tell which results there are, the metric's name alone.
    std::vector<std::string> result_names(Phase phase) const override {
        std::vector<std::string> names;
        for (const Counted& counted : of_phase(phase))
            for (std::string& name : results_of(counted)) names.push_back(std::move(name));
        return names;
    }

    /// Names that only the run's modules tell.
    void before_run(Run& run) override {
        by_default_ ? take_ignore_index(run) : take_task(run);
        knows_loss_ = true;
        take_resumed();
        std::set<std::string> taken = {"grad_norm", "overflow"};
        for (const auto& [name, optimizer] : run.optimizers()) taken.insert(name + "_lr");
        if (run.loss())
            for (const std::string& term : run.loss()->term_names()) taken.insert(term);
        for (const Counted& counted : of_phase(Phase::train))
            for (const std::string& name : results_of(counted))
                if (taken.count(name))
                    throw ConfigError({{counted.metric->spec.config.place,
                                        concat(counted.metric->label,
                                               ": the training's lines have a "
                                               "value \"",
                                               name, "\" already; choose another name")}});
    }

    /// With metrics that are there for this alone.
    void check_evaluation(Run&, Phase phase, const Batch& batch) override {
        const int64_t classes = by_default_ ? scored_classes(batch) : 0;
        for (const Counted& counted : of_phase(phase)) {
            if (by_default_ && classes <= least_classes(counted)) continue;
            const Named& metric = *counted.metric;
            try {
                const std::shared_ptr<Metric> fresh = metric.spec.create();
                MetricSums sums(metric.label, fresh, /*by_batch=*/false);
                sums.update(bind_inputs(batch, metric.inputs, metric.spec.binding(), metric.label));
                sums.compute(states_of(*fresh));
            } catch (const ConfigError&) {
                throw;
            } catch (const Error& error) {
                if (by_default_) throw;  // no place of the configuration names it
                throw ConfigError({{metric.spec.config.place, error.what()}});
            }
        }
    }

    void after_train_iter(Run& run) override { update(run, Phase::train); }
    void after_val_iter(Run& run) override { update(run, Phase::val); }
    void after_test_iter(Run& run) override { update(run, Phase::test); }
    void after_train_epoch(Run& run) override { publish(run, Phase::train); }
    void after_val_epoch(Run& run) override { publish(run, Phase::val); }
    void after_test_epoch(Run& run) override { publish(run, Phase::test); }

    // A checkpoint in the middle of a training epoch: what each rank has counted until then.
    State save_rank_state() const override {
        State all;
        Node::List names;
        for (const Counted& counted : of_phase(Phase::train)) {
            for (auto& [key, tensor] : counted.sums.save().tensors)
                all.tensors[concat(names.size(), "/", key)] = tensor;
            names.push_back(Node::string(counted.metric->name));
        }
        if (all.tensors.empty()) return {};
        all.values.set("metrics", Node::list(std::move(names)));
        return all;
    }
    /// A run that goes on is given them before before_run, where the metrics are made anew.
    void load_rank_states(const std::vector<State>& states) override {
        resumed_ = states;
        if (knows_loss_) take_resumed();
    }

  private:
    static constexpr int64_t default_topk = 5;

    struct Named {
        std::string name;
        std::string label;  // for messages
        ModuleSpec<Metric> spec;
        std::vector<std::string> inputs;

        bool runs_in(Phase phase) const {
            const std::vector<std::string>& phases = spec.binding().phases;
            if (phases.empty()) return phase != Phase::train;
            return std::find(phases.begin(), phases.end(), phase_name(phase)) != phases.end();
        }
        std::string result(const std::string& suffix) const {
            return suffix.empty() ? name : name + "_" + suffix;
        }
    };
    /// A metric in a phase.
    struct Counted {
        const Named* metric;
        MetricSums sums;
    };

    static std::vector<std::string> results_of(const Counted& counted) {
        const std::shared_ptr<Metric> fresh = counted.metric->spec.create();
        const MetricSums none(counted.metric->label, fresh, /*by_batch=*/false);
        std::vector<std::string> names;
        for (const auto& [suffix, value] : none.compute(states_of(*fresh)))
            names.push_back(counted.metric->result(suffix));
        return names;
    }

    /// A line of the log, a row of a table has one value of a name.
    void check_names(const RunPlan& plan, Problems& problems) const {
        std::set<std::pair<std::string, std::string>> said;  // metric and name, in several phases
        for (const auto& [phase, all] : plan.results)
            for (const Counted& counted : of_phase(phase))
                for (const std::string& name : results_of(counted)) {
                    const bool is_key = name == "lr" || name == "loss" || is_line_key(name);
                    if (!is_key && std::count(all.begin(), all.end(), name) < 2) continue;
                    if (!said.insert({counted.metric->name, name}).second) continue;
                    problems.add(
                        counted.metric->spec.config.place,
                        concat(counted.metric->label, ": ",
                               is_key ? "every line of the log has a value"
                                      : concat("the phase ", phase_name(phase), " has a result"),
                               " \"", name, "\" already; choose another name"));
                }
    }
    static bool is_line_key(const std::string& name) {
        const std::vector<std::string>& keys = line_keys();
        return std::find(keys.begin(), keys.end(), name) != keys.end();
    }

    /// The default metrics leave out what the loss does.
    void take_ignore_index(Run& run) {
        const Node* loss = run.config().find("loss");
        if (const auto ignored = loss ? ignored_by(*loss) : std::nullopt)
            set_metrics(default_metrics(ignored));
    }

    /// Targets of the output's shape are what the loss takes them for.
    void take_task(Run& run) {
        const Node* loss = run.config().find("loss");
        if (!loss) return;
        std::map<std::string, ModuleSpec<Metric>> told;
        for (const Named& metric : metrics_) {
            const Mapping& fields = metric.spec.binding().mapping;
            told[metric.name] = compares_labels(*loss, fields).value_or(false)
                                    ? of_labels(metric.spec)
                                    : metric.spec;
        }
        set_metrics(told);
    }

    static std::map<std::string, ModuleSpec<Metric>> default_metrics(
        std::optional<int64_t> ignore_index) {
        return {{"top1", accuracy(1, ignore_index)},
                {"top5", accuracy(default_topk, ignore_index)}};
    }

    void set_metrics(const std::map<std::string, ModuleSpec<Metric>>& specs) {
        metrics_.clear();
        by_phase_ = {};
        for (const auto& [name, spec] : specs)
            metrics_.push_back({name, concat("metric ", name, " (", spec.type(), ")"), spec,
                                spec.create()->inputs()});
        for (const Phase phase : {Phase::train, Phase::val, Phase::test})
            for (const Named& metric : metrics_)
                if (metric.runs_in(phase))
                    by_phase_[size_t(phase)].push_back(
                        {&metric, MetricSums(metric.label, metric.spec.create(),
                                             /*by_batch=*/phase != Phase::train)});
    }

    std::vector<Counted>& of_phase(Phase phase) { return by_phase_[size_t(phase)]; }
    const std::vector<Counted>& of_phase(Phase phase) const { return by_phase_[size_t(phase)]; }

    void take_resumed() {
        if (!resumed_) return;
        for (Counted& counted : of_phase(Phase::train)) counted.sums.reset();
        for (const State& state : *resumed_)
            if (!state.tensors.empty()) load(state);
        resumed_.reset();
    }

    void load(const State& state) {
        std::vector<std::string> saved, here;
        if (const Node* names = state.values.find("metrics"))
            for (const Node& name : names->items()) saved.push_back(name.as_string());
        for (const Counted& counted : of_phase(Phase::train)) here.push_back(counted.metric->name);
        if (saved != here)
            throw Error(concat("the checkpoint was written in the middle of an epoch with the ",
                               "training metrics ", join(saved), ", this run has ", join(here),
                               "; go on with the same, or from the end of an epoch"));
        for (size_t i = 0; i < here.size(); ++i) {
            const std::string prefix = concat(i, "/");
            State part;
            for (const auto& [key, tensor] : state.tensors)
                if (key.starts_with(prefix)) part.tensors[key.substr(prefix.size())] = tensor;
            of_phase(Phase::train)[i].sums.load(part);
        }
    }

    void update(Run& run, Phase phase) {
        std::vector<Counted>& active = of_phase(phase);
        if (active.empty()) return;
        if (run.batch().size == 0) return;  // this rank has no samples in the last batch
        const int64_t classes = by_default_ ? scored_classes(run.batch()) : 0;
        for (Counted& counted : active) {
            if (by_default_ && classes <= least_classes(counted)) continue;
            counted.sums.update(bind_inputs(run.batch(), counted.metric->inputs,
                                            counted.metric->spec.binding(), counted.metric->label));
        }
    }

    void publish(Run& run, Phase phase) {
        if (of_phase(phase).empty()) return;
        std::vector<MetricSums*> mine;
        for (Counted& counted : of_phase(phase)) mine.push_back(&counted.sums);
        const std::vector<MetricStates> sums = sum_over_ranks(mine, run.comm());
        std::set<std::string> unfit;
        for (size_t i = 0; i < sums.size(); ++i) {
            Counted& counted = of_phase(phase)[i];
            const Named& metric = *counted.metric;
            // The sums are the same on all ranks, so all leave the same out.
            if (by_default_ && sums[i].at("total").item<int64_t>() == 0)
                unfit.insert(metric.name);
            else
                for (const auto& [suffix, value] : counted.sums.compute(sums[i]))
                    run.publish(metric.result(suffix), value);
            counted.sums.reset();
        }
        if (!unfit.empty()) leave_out(unfit);
    }

    // Accuracy that was not asked for by name is left out where it means nothing.

    /// The number of classes that the output has scores of; 0 if this is no classification.
    static int64_t scored_classes(const Batch& batch) {
        const auto tensor = [&](const char* name) {
            const auto field = batch.fields.find(name);
            const Tensor* found =
                field == batch.fields.end() ? nullptr : std::get_if<Tensor>(&field->second);
            return found ? *found : Tensor();
        };
        const Tensor output = tensor("output");
        const Tensor target = tensor(batch.has("target") ? "target" : "label");
        if (!output.defined() || !target.defined() || output.dim() != 2 || target.dim() != 1 ||
            !c10::isIntegralType(target.scalar_type(), /*includeBool=*/false))
            return 0;
        return output.size(1);
    }
    /// With as many classes or fewer, all samples would be right.
    int64_t least_classes(const Counted& counted) const {
        return counted.metric == &metrics_[0] ? 1 : default_topk;
    }
    void leave_out(const std::set<std::string>& unfit) {
        if (unfit.count(metrics_[0].name))
            log_info(
                "MetricHook names no metric, and there are no class scores (output [N, classes]) "
                "with class numbers (target [N]): no accuracy is computed");
        else
            log_info("MetricHook names no metric, and there are no more than ", default_topk,
                     " classes: top", default_topk, " is not computed");
        for (std::vector<Counted>& phase : by_phase_)
            std::erase_if(phase, [&](const Counted& c) { return unfit.count(c.metric->name); });
    }

    bool by_default_ = false;
    std::vector<Named> metrics_;
    std::array<std::vector<Counted>, 3> by_phase_;
    std::optional<std::vector<State>> resumed_;
    bool knows_loss_ = false;  // the metrics are what they stay
};

}  // namespace

AILAB_REGISTER_HOOK(MetricHook,
                    "Computes metrics over all ranks after each val and test phase (priority 40)")

}  // namespace ailab
