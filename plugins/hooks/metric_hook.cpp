#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "log_line.hpp"
#include "metric_exchange.hpp"
#include "same_results.hpp"

namespace ailab {
namespace {

ModuleSpec<Metric> accuracy(int64_t topk) {
    Node node = node_of_type("Accuracy");
    node.set("topk", Node(topk));
    Problems problems;
    ModuleSpec<Metric> spec;
    spec.config = read_module("metric", node, "MetricHook's default metric", problems);
    problems.check();
    return spec;
}

using Mapping = std::map<std::string, std::string>;

Mapping mapping_of(const Node& module) {
    Mapping mapping;
    if (const Node* written = module.find("mapping"); written && written->is_map())
        for (const Member& bound : written->members())
            if (bound.value.is_string()) mapping[bound.key] = bound.value.as_string();
    return mapping;
}

/// The field that targets are taken from; "label" stands for "target".
std::string target_field(const Mapping& mapping) {
    for (const char* spelling : {"target", "targets", "label", "labels"})
        if (const auto bound = mapping.find(spelling);
            bound != mapping.end() && bound->second != "label")
            return bound->second;
    return "target";
}

/// The field that outputs are taken from.
std::string output_field(const Mapping& mapping) {
    for (const char* spelling : {"output", "pred", "preds", "input"})
        if (const auto bound = mapping.find(spelling); bound != mapping.end()) return bound->second;
    return "output";
}

/// What the outputs in `field` stand for, as the loss says, or those parts of one that take them;
/// nothing if none of these tells, or they do not agree.
std::optional<OutputKind> kind_of(const Loss& loss, const Node& config, const std::string& field) {
    const Node* parts = config.find("losses");
    if (!parts || !parts->is_map())
        return output_field(mapping_of(config)) == field ? loss.output_kind() : std::nullopt;
    std::set<OutputKind> all;
    const auto modules = loss.named_children();
    for (const Member& part : parts->members()) {
        const auto* module = modules.find(part.key);
        const auto* own = module ? dynamic_cast<const Loss*>(module->get()) : nullptr;
        if (const auto kind = own ? kind_of(*own, part.value, field) : std::nullopt)
            all.insert(*kind);
    }
    return all.size() == 1 ? std::optional(*all.begin()) : std::nullopt;
}

/// What the configured loss, or the parts of one, ignore among the targets of `field`: nothing if
/// they do not agree.
std::optional<int64_t> ignored_by(const Node& loss, const std::string& field) {
    if (const Node* parts = loss.find("losses"); parts && parts->is_map()) {
        std::set<int64_t> all;
        for (const Member& part : parts->members())
            if (const auto one = ignored_by(part.value, field)) all.insert(*one);
        return all.size() == 1 ? std::optional(*all.begin()) : std::nullopt;
    }
    const Node* own = loss.find("ignore_index");
    if (!own || !own->is_int() || target_field(mapping_of(loss)) != field) return {};
    return own->as_int();
}

/// The metric with another value of an option that it has. Nothing if it does not take that.
std::optional<ModuleSpec<Metric>> with_option(const ModuleSpec<Metric>& metric, const char* option,
                                              Node value) {
    Node node = metric.config.write();
    node.set(option, std::move(value));
    Problems problems;
    ModuleSpec<Metric> changed;
    changed.config = read_module("metric", node, "a metric", problems);
    if (!problems.list().empty()) return {};
    changed.config.place = metric.config.place;
    return changed;
}

/// The metric with the loss's ignore_index, where it can ignore targets and is told of none.
std::optional<ModuleSpec<Metric>> ignoring(const ModuleSpec<Metric>& metric, int64_t number) {
    const Node written = metric.config.write();
    const Node* own = written.find("ignore_index");
    if (!own || !own->is_null()) return {};
    return with_option(metric, "ignore_index", Node(number));
}

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
    if (mapping_of(loss) != fields) return {};
    const std::string type = text(loss.find("type"));
    return type == "BCEWithLogitsLoss" || type == "BCELoss" || type == "MultiLabelSoftMarginLoss" ||
           text(loss.find("activation")) == "sigmoid";
}

/// The metric with `task: labels` where its task is to be found out.
ModuleSpec<Metric> of_labels(const ModuleSpec<Metric>& metric) {
    const Node written = metric.config.write();
    const Node* task = written.find("task");
    if (!task || !task->is_string() || task->as_string() != "auto") return metric;
    return with_option(metric, "task", Node::string("labels")).value_or(metric);
}

/// The metric with `logits` as the loss means the outputs, where that is to be found out: a run
/// whose logits all happen to lie within 0 to 1 has no probabilities for that.
ModuleSpec<Metric> reading(const ModuleSpec<Metric>& metric, OutputKind kind) {
    const Node written = metric.config.write();
    const Node* logits = written.find("logits");
    if (!logits || !logits->is_string() || kind == OutputKind::values) return metric;
    const bool scores = kind != OutputKind::label_probabilities;
    return with_option(metric, "logits", Node(Node::Value(scores))).value_or(metric);
}

class MetricHook final : public Hook {
  public:
    static constexpr Role role = roles::metrics;

    struct Options {
        std::map<std::string, ModuleSpec<Metric>> metrics;
        void visit(OptionVisitor& v) {
            v.rest(
                metrics,
                "name: {type: …, mapping: …, phases: [val, test]}; by default top1 and top5, the "
                "accuracies, where the targets are class numbers. Targets that the loss ignores "
                "(ignore_index) are left out of every metric that has that option and is given "
                "none");
            v.rule([this] { return check_result_names(); });
            v.rule([this] { return check_phases(); });
        }
        /// They name columns, curves and, with save_best, files.
        std::string check_result_names() const {
            constexpr size_t longest = 100;
            for (const auto& [name, spec] : metrics)
                if (name.empty() || name.size() > longest ||
                    std::any_of(name.begin(), name.end(),
                                [](unsigned char c) { return c < ' ' || c == 0x7f; }))
                    return concat("the name of a metric has 1 to ", longest,
                                  " characters, and no control characters among them; got ",
                                  Node::string(name).flow());
            return "";
        }
        std::string check_phases() const {
            const std::vector<std::string> known = phase_names();
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
        set_metrics(by_default_ ? default_metrics() : options.metrics);
    }

    int default_priority() const override { return priority::above_normal; }
    bool changes_evaluations() const override { return false; }

    /// What the first batches have told.
    void check_results(const RunPlan& plan, Problems& problems) override {
        check_names(plan, problems);
    }
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
            for (const std::string& name : results_of(counted)) names.push_back(name);
        return names;
    }
    std::optional<bool> greater_is_better(const std::string& result) const override {
        const Named* owner = nullptr;  // that of the longest name
        for (const Named& metric : metrics_)
            if ((result == metric.name || result.starts_with(metric.name + "_")) &&
                (!owner || metric.name.size() > owner->name.size()))
                owner = &metric;
        return owner ? owner->greater_is_better : std::nullopt;
    }

    /// Names that only the run's modules tell.
    void before_run(Run& run) override {
        fit_to_loss(run);
        knows_loss_ = true;
        take_resumed();
        std::set<std::string> taken = {"grad_norm", "overflow"};
        for (const auto& [name, optimizer] : run.optimizers())
            for (const char* value : {"_lr", "_grad_norm", "_overflow"}) taken.insert(name + value);
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

    void check_evaluation(Run&, Phase phase, const Batch& batch) override {
        for (Counted& counted : of_phase(phase)) {
            try {
                look_at(counted, batch);
            } catch (const ConfigError&) {
                throw;
            } catch (const Error& error) {
                if (by_default_) throw;  // no place of the configuration names it
                throw ConfigError({{counted.metric->spec.config.place, error.what()}});
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
        std::optional<bool> greater_is_better;

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
        /// As a batch has told; until then what there is without samples.
        std::optional<std::vector<std::string>> results;
        std::unique_ptr<InputBinding> inputs = {};  // once there is a batch
    };

    static std::vector<std::string> results_of(const Named& metric, const Batch* batch) {
        const std::shared_ptr<Metric> fresh = metric.spec.create();
        MetricSums sums(metric.label, fresh, /*by_batch=*/false);
        if (batch)
            sums.update(bind_inputs(*batch, metric.inputs, metric.spec.binding(), metric.label));
        std::vector<std::string> names;
        for (const auto& [suffix, value] : sums.compute(states_of(*fresh)))
            names.push_back(metric.result(suffix));
        return names;
    }
    static std::vector<std::string> results_of(const Counted& counted) {
        return counted.results ? *counted.results : results_of(*counted.metric, nullptr);
    }

    /// Which results there are, with a metric that is there for this alone.
    void look_at(Counted& counted, const Batch& batch) const {
        if (by_default_ && scored_classes(batch) <= least_classes(counted))
            counted.results.emplace();
        else
            counted.results = results_of(*counted.metric, &batch);
    }

    /// The results of a phase's first batch, where nobody has looked at it before the run.
    void look_at_first(Phase phase, const Batch& batch) {
        if (by_default_ || of_phase(phase).empty() || of_phase(phase)[0].results) return;
        for (Counted& counted : of_phase(phase)) look_at(counted, batch);
        Problems problems;
        std::set<std::pair<std::string, std::string>> said;
        check_each_other(phase, said, problems);
        problems.check();
    }

    /// A line of the log, a row of a table has one value of a name.
    void check_names(const RunPlan& plan, Problems& problems) const {
        std::set<std::pair<std::string, std::string>> said;  // metric and name, in several phases
        for (const auto& [phase, all] : plan.results) {
            check_each_other(phase, said, problems);
            std::map<std::string, int64_t> times;
            for (const std::string& name : all) ++times[name];
            for (const Counted& counted : of_phase(phase))
                for (const std::string& name : results_of(counted)) {
                    const bool is_key = name == "lr" || name == "loss" || is_line_key(name);
                    if (!is_key && times[name] < 2) continue;
                    if (!said.insert({counted.metric->name, name}).second) continue;
                    problems.add(
                        counted.metric->spec.config.place,
                        concat(counted.metric->label, ": ",
                               is_key ? "every line of the log has a value"
                                      : concat("the phase ", phase_name(phase), " has a result"),
                               " \"", name, "\" already; choose another name"));
                }
        }
    }
    /// Two metrics of this hook with one result; both count as `said`.
    void check_each_other(Phase phase, std::set<std::pair<std::string, std::string>>& said,
                          Problems& problems) const {
        std::map<std::string, const Named*> owners;
        for (const Counted& counted : of_phase(phase))
            for (const std::string& name : results_of(counted)) {
                const auto [owner, is_first] = owners.emplace(name, counted.metric);
                if (is_first) continue;
                said.insert({owner->second->name, name});
                if (!said.insert({counted.metric->name, name}).second) continue;
                problems.add(counted.metric->spec.config.place,
                             concat(counted.metric->label, " and ", owner->second->label,
                                    " both have a result \"", name,
                                    "\"; choose another name for one of them"));
            }
    }
    static bool is_line_key(const std::string& name) {
        const std::vector<std::string>& keys = line_keys();
        return std::find(keys.begin(), keys.end(), name) != keys.end();
    }

    /// Targets of the output's shape are what the loss takes them for, outputs the scores or
    /// probabilities that it takes them for, and what it ignores is left out.
    void fit_to_loss(Run& run) {
        const Node* loss = run.config().find("loss");
        if (!loss) return;
        std::map<std::string, ModuleSpec<Metric>> told;
        for (const Named& metric : metrics_) {
            const Mapping& fields = metric.spec.binding().mapping;
            ModuleSpec<Metric>& spec = told[metric.name] = metric.spec;
            if (!by_default_ && compares_labels(*loss, fields).value_or(false))
                spec = of_labels(spec);
            const Loss* trained = run.loss();
            if (const auto kind =
                    trained ? kind_of(*trained, *loss, output_field(fields)) : std::nullopt)
                spec = reading(spec, *kind);
            const auto ignored = ignored_by(*loss, target_field(fields));
            const auto without = ignored ? ignoring(spec, *ignored) : std::nullopt;
            if (!without) continue;
            spec = *without;
            if (!by_default_)
                log_info(metric.label,
                         " leaves out the targets that the loss ignores: ", "ignore_index is ",
                         *ignored);
        }
        set_metrics(told);
    }

    static std::map<std::string, ModuleSpec<Metric>> default_metrics() {
        return {{"top1", accuracy(1)}, {"top5", accuracy(default_topk)}};
    }

    void set_metrics(const std::map<std::string, ModuleSpec<Metric>>& specs) {
        metrics_.clear();
        by_phase_ = {};
        for (const auto& [name, spec] : specs) {
            const std::shared_ptr<const Metric> made = spec.create();
            metrics_.push_back({name, concat("metric ", name, " (", spec.type(), ")"), spec,
                                made->inputs(), made->greater_is_better()});
        }
        for (const Phase phase : {Phase::train, Phase::val, Phase::test})
            for (const Named& metric : metrics_)
                if (metric.runs_in(phase))
                    by_phase_[size_t(phase)].push_back(
                        {&metric,
                         MetricSums(metric.label, metric.spec.create(),
                                    /*by_batch=*/phase != Phase::train),
                         {}});
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
        look_at_first(phase, run.batch());
        const int64_t classes = by_default_ ? scored_classes(run.batch()) : 0;
        for (Counted& counted : active) {
            if (by_default_ && classes <= least_classes(counted)) continue;
            if (!counted.inputs)
                counted.inputs = std::make_unique<InputBinding>(
                    counted.metric->inputs, counted.metric->spec.binding(), counted.metric->label);
            const InputBinding::Bound inputs = counted.inputs->bind(run.batch());
            counted.sums.update(*inputs);
        }
    }

    void publish(Run& run, Phase phase) {
        if (of_phase(phase).empty()) return;
        std::vector<MetricSums*> mine;
        for (Counted& counted : of_phase(phase)) mine.push_back(&counted.sums);
        const std::vector<MetricStates> sums = sum_over_ranks(mine, run.comm());
        std::set<std::string> unfit;
        std::vector<std::pair<std::string, double>> results;
        for (size_t i = 0; i < sums.size(); ++i) {
            Counted& counted = of_phase(phase)[i];
            const Named& metric = *counted.metric;
            // The sums are the same on all ranks, so all leave the same out.
            if (by_default_ && targets_of(sums[i]) == 0) {
                unfit.insert(metric.name);
            } else {
                bool has_value = false;
                for (const auto& [suffix, value] : counted.sums.compute(sums[i])) {
                    results.emplace_back(metric.result(suffix), value);
                    run.publish(metric.result(suffix), value);
                    has_value = has_value || !std::isnan(value);
                }
                if (!has_value) tell_no_value(run, phase, metric);
            }
            counted.sums.reset();
        }
        check_same_results(results, run.comm(),
                           "A metric keeps what it counts in states (add_state()), which are "
                           "summed over the ranks, and computes its results from them alone");
        if (!unfit.empty()) leave_out(unfit);
    }

    void tell_no_value(Run& run, Phase phase, const Named& metric) {
        if (!told_no_value_.insert({phase, metric.name}).second || !run.is_main()) return;
        log_warning(phase_name(phase), ": ", metric.label,
                    " has no value (nan): none of the targets counts (all are ignored), or it is "
                    "not defined for them, or the outputs are nan");
    }

    // Accuracy that was not asked for by name is left out where it means nothing.

    /// Those that default metrics were shown, ignored ones too.
    static int64_t targets_of(const MetricStates& sums) {
        return sums.at("total").item<int64_t>() + sums.at("ignored").item<int64_t>();
    }

    /// The number of classes that the output has scores of; 0 if this is no classification.
    static int64_t scored_classes(const Batch& batch) {
        const Tensor* output = batch.find_tensor("output");
        const Tensor* target = batch.find_tensor(batch.has("target") ? "target" : "label");
        if (!output || !target || !output->defined() || !target->defined() || output->dim() != 2 ||
            target->dim() != 1 ||
            !c10::isIntegralType(target->scalar_type(), /*includeBool=*/false))
            return 0;
        return output->size(1);
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
    std::set<std::pair<Phase, std::string>> told_no_value_;
    bool knows_loss_ = false;  // the metrics are what they stay
};

}  // namespace

AILAB_REGISTER_HOOK(MetricHook,
                    "Computes metrics over all ranks after each val and test phase (priority 40)")

}  // namespace ailab
