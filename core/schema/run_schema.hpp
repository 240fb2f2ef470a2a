#pragma once
// The keys of the configuration: one visitor a section. Internal to core/schema.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/options_reader.hpp"
#include "run_config.hpp"

namespace ailab {

void visit_section(OptionVisitor& v, DistConfig& dist);
void visit_section(OptionVisitor& v, DataConfig& data);
void visit_section(OptionVisitor& v, DataloaderConfig& loader);
void visit_section(OptionVisitor& v, RuntimeConfig& runtime);
void visit_section(OptionVisitor& v, ClipConfig& clip);
void visit_section(OptionVisitor& v, ParamRule& rule);
void visit_section(OptionVisitor& v, ParamwiseConfig& paramwise);

/// A section is a map of its own keys; an empty one (`dist:`) has all defaults.
template <class T>
requires requires(OptionVisitor& v, T& section) {
    visit_section(v, section);
}
struct OptionType<T> {
    static OptionSchema schema() {
        T section;
        return OptionSchema::section_of(
                   describe_options([&](OptionVisitor& v) { visit_section(v, section); }))
            .or_null();
    }
    static void read(const Node& node, T& field, const Bounds&, const std::string& name,
                     Problems& problems) {
        if (node.is_null()) return;
        if (!node.is_map())
            return detail::wrong_type(node, name, OptionSchema::section_of({}), problems);
        read_options([&](OptionVisitor& v) { visit_section(v, field); }, node,
                     {name, name, "key", node.place, {}}, problems);
    }
    static Node write(const T& field) {
        T copy = field;
        return write_options([&](OptionVisitor& v) { visit_section(v, copy); });
    }
};

/// A text of the configuration that is "auto" or the name of a module of a kind; check_run() looks
/// for the module.
template <class Kind>
struct ModuleName {
    std::string& text;
};

template <class Kind>
struct OptionType<ModuleName<Kind>> {
    static OptionSchema schema() {
        OptionSchema schema = OptionSchema::of(OptionSchema::Kind::string, one_of({"auto"}))
                                  .called(concat("auto or the name of a ", kind_name<Kind>));
        schema.module_kind = kind_name<Kind>;
        return schema;
    }
    static void read(const Node& node, ModuleName<Kind>& field, const Bounds& bounds,
                     const std::string& name, Problems& problems) {
        OptionType<std::string>::read(node, field.text, bounds, name, problems);
    }
    static Node write(const ModuleName<Kind>& field) {
        return OptionType<std::string>::write(field.text);
    }
};

#define AILAB_DECLARE_CONFIG_TYPE(...)                                                      \
    template <>                                                                             \
    struct OptionType<__VA_ARGS__> {                                                        \
        static OptionSchema schema();                                                       \
        static void read(const Node&, __VA_ARGS__&, const Bounds&, const std::string& name, \
                         Problems&);                                                        \
        static Node write(const __VA_ARGS__&);                                              \
    }

using NamedOptimizer = std::pair<std::string, ModuleSpec<Optimizer>>;

AILAB_DECLARE_CONFIG_TYPE(uint64_t);                     // a seed
AILAB_DECLARE_CONFIG_TYPE(RunModel);                     // {type: …, pretrained: …}
AILAB_DECLARE_CONFIG_TYPE(RunTask);                      // a name, or {type: …}
AILAB_DECLARE_CONFIG_TYPE(WorkflowStep);                 // [train, 1] or {phase: train, iters: 500}
AILAB_DECLARE_CONFIG_TYPE(std::vector<NamedOptimizer>);  // one module, or a map of named ones
AILAB_DECLARE_CONFIG_TYPE(std::vector<NamedHook>);       // a map, in its order
AILAB_DECLARE_CONFIG_TYPE(std::vector<ModulePattern>);   // regular expressions
#undef AILAB_DECLARE_CONFIG_TYPE

/// The top level.
struct RunSchema {
    RunConfig& config;
    /// The same as data.train_dataloader.global_batch_size.
    std::optional<int64_t> global_batch_size;

    void visit(OptionVisitor& v);
};

}  // namespace ailab
