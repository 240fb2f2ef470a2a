// Values of the configuration that have a form of their own.
#include <algorithm>
#include <limits>

#include "ailab/phase.hpp"
#include "config/scalar.hpp"
#include "limits.hpp"
#include "missing_type.hpp"
#include "regex_problem.hpp"
#include "run_schema.hpp"

namespace ailab {
namespace {

using Kind = OptionSchema::Kind;

const Bounds known_phases = one_of(phase_names());
const Bounds some_epochs = between(1, most_rounds);

/// {phase: train, iters: 500}
struct StepMap {
    std::string phase;
    std::optional<int64_t> epochs, iters;

    void visit(OptionVisitor& v) {
        v.required("phase", phase, "what is done", known_phases);
        v.option("epochs", epochs, "passes over the data", some_epochs);
        v.option("iters", iters, "iterations, in place of epochs", between(1, most_steps));
        v.rule([this] {
            return epochs && iters ? std::string("epochs and iters are both given. Remove one.")
                                   : "";
        });
    }
};

void read_step_map(const Node& node, WorkflowStep& step, const std::string& name,
                   Problems& problems) {
    StepMap map;
    read_options([&](OptionVisitor& v) { map.visit(v); }, node, {name, name, "key", node.place, {}},
                 problems);
    step.phase = map.phase;
    step.epochs = map.epochs.value_or(1);
    step.iters = map.iters;
}

/// One that holds maps alone is a map of optimizers; anything else lacks its type.
bool is_map_of_modules(const Node& node) {
    return node.is_map() && !node.find("type") && !node.members().empty() &&
           std::all_of(node.members().begin(), node.members().end(),
                       [](const Member& member) { return member.value.is_map(); });
}

}  // namespace

OptionSchema OptionType<uint64_t>::schema() {
    return OptionSchema::of(Kind::integer, at_least(0));
}
void OptionType<uint64_t>::read(const Node& node, uint64_t& field, const Bounds&,
                                const std::string& name, Problems& problems) {
    int64_t value = 0;
    OptionType<int64_t>::read(node, value, at_least(0), name, problems);
    field = uint64_t(value);
}
Node OptionType<uint64_t>::write(const uint64_t& field) {
    return Node(Node::Value(int64_t(field)));
}

OptionSchema OptionType<RunModel>::schema() {
    return OptionType<ModuleSpec<Model>>::schema();
}
void OptionType<RunModel>::read(const Node& node, RunModel& field, const Bounds& bounds,
                                const std::string& name, Problems& problems) {
    Node module = node;
    if (const Node* pretrained = node.find("pretrained")) {
        OptionType<std::optional<Pretrained>>::read(*pretrained, field.pretrained, Bounds(),
                                                    name + ".pretrained", problems);
        std::erase_if(module.members(),
                      [](const Member& member) { return member.key == "pretrained"; });
    }
    OptionType<ModuleSpec<Model>>::read(module, field, bounds, name, problems);
}
Node OptionType<RunModel>::write(const RunModel& field) {
    Node node = OptionType<ModuleSpec<Model>>::write(field);
    if (field.pretrained) node.set("pretrained", OptionType<Pretrained>::write(*field.pretrained));
    return node;
}

OptionSchema OptionType<RunTask>::schema() {
    return OptionSchema::either_of(
               {OptionType<ModuleSpec<Task>>::schema(), OptionSchema::of(Kind::string)})
        .called("name or module (task)");
}
void OptionType<RunTask>::read(const Node& node, RunTask& field, const Bounds& bounds,
                               const std::string& name, Problems& problems) {
    if (!node.is_string())
        return OptionType<ModuleSpec<Task>>::read(node, field, bounds, name, problems);
    Node module = Node::map({}, node.place);
    module.set("type", node);
    OptionType<ModuleSpec<Task>>::read(module, field, bounds, name, problems);
}
Node OptionType<RunTask>::write(const RunTask& field) {
    return OptionType<ModuleSpec<Task>>::write(field);
}

OptionSchema OptionType<WorkflowStep>::schema() {
    StepMap map;
    return OptionSchema::either_of(
               {OptionSchema::tuple_of({OptionSchema::of(Kind::string, known_phases),
                                        OptionSchema::of(Kind::integer, some_epochs)}),
                OptionSchema::section_of(
                    describe_options([&](OptionVisitor& v) { map.visit(v); }))})
        .called("[phase, epochs]");
}
void OptionType<WorkflowStep>::read(const Node& node, WorkflowStep& step, const Bounds&,
                                    const std::string& name, Problems& problems) {
    step.place = node.place;
    if (node.is_map()) return read_step_map(node, step, name, problems);
    if (!node.is_list() || node.items().size() != 2) {
        problems.add(node.place,
                     concat(name, " must be [phase, epochs] or {phase: …, iters: …}, got ",
                            node.describe(), ". For example: [train, 1]."));
        return;
    }
    OptionType<std::string>::read(node.items()[0], step.phase, known_phases, name + "[0]",
                                  problems);
    OptionType<int64_t>::read(node.items()[1], step.epochs, some_epochs, name + "[1]", problems);
}
Node OptionType<WorkflowStep>::write(const WorkflowStep& step) {
    if (!step.iters)
        return Node::list({Node::string(step.phase), OptionType<int64_t>::write(step.epochs)});
    Node map = Node::map();
    map.set("phase", Node::string(step.phase));
    map.set("iters", OptionType<int64_t>::write(*step.iters));
    return map;
}

OptionSchema OptionType<std::vector<NamedOptimizer>>::schema() {
    const OptionSchema one = OptionType<ModuleSpec<Optimizer>>::schema();
    return OptionSchema::either_of({one, OptionSchema::map_of(one)});
}
void OptionType<std::vector<NamedOptimizer>>::read(const Node& node,
                                                   std::vector<NamedOptimizer>& field,
                                                   const Bounds& bounds, const std::string& name,
                                                   Problems& problems) {
    using Spec = OptionType<ModuleSpec<Optimizer>>;
    field.clear();
    if (!is_map_of_modules(node)) {
        field.emplace_back();
        return Spec::read(node, field.back().second, bounds, name, problems);
    }
    for (const Member& member : node.members()) {
        field.emplace_back(member.key, ModuleSpec<Optimizer>());
        Spec::read(member.value, field.back().second, bounds, name + "." + member.key, problems);
    }
}
Node OptionType<std::vector<NamedOptimizer>>::write(const std::vector<NamedOptimizer>& field) {
    using Spec = OptionType<ModuleSpec<Optimizer>>;
    if (field.empty()) return Node();
    if (field.size() == 1 && field[0].first.empty()) return Spec::write(field[0].second);
    Node map = Node::map();
    for (const auto& [name, spec] : field) map.set(name, Spec::write(spec));
    return map;
}

OptionSchema OptionType<std::vector<ModulePattern>>::schema() {
    return OptionSchema::list_of(OptionSchema::of(Kind::string))
        .called("list of regular expressions");
}
void OptionType<std::vector<ModulePattern>>::read(const Node& node,
                                                  std::vector<ModulePattern>& field, const Bounds&,
                                                  const std::string& name, Problems& problems) {
    field.clear();
    if (!node.is_list())
        return detail::wrong_type(node, name,
                                  "a list of regular expressions over module names, such as "
                                  "['^backbone'], or ['.*'] for all",
                                  problems);
    for (size_t i = 0; i < node.items().size(); ++i) {
        const Node& item = node.items()[i];
        const std::string path = concat(name, "[", i, "]");
        ModulePattern pattern{{}, item.place};
        OptionType<std::string>::read(item, pattern.text, Bounds(), path, problems);
        if (std::string problem = regex_problem(path, pattern.text); !problem.empty())
            problems.add(item.place, std::move(problem));
        field.push_back(std::move(pattern));
    }
}
Node OptionType<std::vector<ModulePattern>>::write(const std::vector<ModulePattern>& field) {
    Node list = Node::list();
    for (const ModulePattern& pattern : field) list.items().push_back(Node::string(pattern.text));
    return list;
}

OptionSchema OptionType<std::vector<NamedHook>>::schema() {
    return OptionSchema::map_of(OptionType<ModuleSpec<Hook>>::schema()).or_null();
}
void OptionType<std::vector<NamedHook>>::read(const Node& node, std::vector<NamedHook>& field,
                                              const Bounds& bounds, const std::string& name,
                                              Problems& problems) {
    field.clear();
    if (node.is_null()) return;
    if (!node.is_map())
        return detail::wrong_type(
            node, name, OptionSchema::map_of(OptionType<ModuleSpec<Hook>>::schema()), problems);
    for (const Member& member : node.members()) {
        const std::string path = name + "." + member.key;
        field.push_back({member.key, {}});
        if (member.value.is_map() && !member.value.find("type"))
            report_missing_type(member, node, path, problems);
        else
            OptionType<ModuleSpec<Hook>>::read(member.value, field.back().spec, bounds, path,
                                               problems);
    }
}
Node OptionType<std::vector<NamedHook>>::write(const std::vector<NamedHook>& field) {
    Node map = Node::map();
    for (const NamedHook& hook : field)
        map.set(hook.name, OptionType<ModuleSpec<Hook>>::write(hook.spec));
    return map;
}

}  // namespace ailab
