#include "common_keys.hpp"

#include <array>
#include <utility>

#include "ailab/phase.hpp"
#include "ailab/priority.hpp"
#include "config/scalar.hpp"

namespace ailab {
namespace {

std::vector<std::string> priority_names() {
    std::vector<std::string> names;
    for (const auto& [name, value] : priority::names) names.push_back(name);
    return names;
}

}  // namespace

OptionSchema OptionType<HookPriority>::schema() {
    using Kind = OptionSchema::Kind;
    return OptionSchema::either_of({OptionSchema::of(Kind::integer),
                                    OptionSchema::of(Kind::string, one_of(priority_names()))})
        .called("priority");
}

void OptionType<HookPriority>::read(const Node& given, HookPriority& field, const Bounds& bounds,
                                    const std::string& name, Problems& problems) {
    const Node node = typed_if_expanded(given);
    if (!node.is_string()) return OptionType<int>::read(node, field.value, bounds, name, problems);
    for (const auto& [known, value] : priority::names)
        if (node.as_string() == known) {
            field.value = value;
            return;
        }
    const std::vector<std::string> names = priority_names();
    const std::string nearest = nearest_name(node.as_string(), names);
    problems.add(node.place,
                 concat(name, " must be an integer or one of ", join(names), ", got ",
                        in_quotes(node.as_string()), nearest.empty() ? "." : "; did you mean ",
                        nearest.empty() ? "" : in_quotes(nearest) + "?"));
}

Node OptionType<HookPriority>::write(const HookPriority& field) {
    return OptionType<int>::write(field.value);
}

void CommonKeys::visit(OptionVisitor& v) {
    if (kind == "model" || kind == "loss" || kind == "metric")
        v.option("mapping", binding.mapping, "the module's input: the field that it takes");
    if (kind == "model") {
        v.option("output_keys", binding.output_keys, "names of the outputs, in order");
        v.option("pretrained", pretrained,
                 "weights to begin with: a file, or {file, prefix, mapping}");
    }
    if (kind == "metric" || kind == "loss")
        v.option("phases", binding.phases,
                 kind == "loss" ? "phases in which it is computed; by default all"
                                : "phases in which it is computed",
                 one_of(phase_names()));
    if (kind == "dataset")
        v.option("transforms", transforms,
                 "applied to each sample, in order; null: those that the dataset takes by default, "
                 "which "
                 "config.yaml and the log list");
    if (kind == "hook") {
        v.option("enable", enable, "whether the hook does anything");
        v.option("enabled", enabled, "the same as enable");
        v.option("priority", priority, "a lower number runs first, or VERY_HIGH … VERY_LOW",
                 between(0, 100));
        v.rule([this] {
            return enable && enabled ? std::string("enable and enabled are the same; give one.")
                                     : "";
        });
    }
}

std::vector<OptionField> describe_common_options(const std::string& kind) {
    CommonKeys keys;
    keys.kind = kind;
    return describe_options([&](OptionVisitor& v) { keys.visit(v); });
}

}  // namespace ailab
