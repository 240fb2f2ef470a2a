#pragma once
// A module that the configuration names: `{type: Accuracy, topk: 5}`, checked when the
// configuration is read, made when it is wanted.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ailab/options.hpp"
#include "ailab/registry.hpp"

namespace ailab {

/// How a module's inputs and outputs are bound to named fields.
struct Binding {
    /// The module's input -> the field.
    std::map<std::string, std::string> mapping;
    /// New names of the module's outputs, in order.
    std::vector<std::string> output_keys;
    /// Phases in which a metric is computed.
    std::vector<std::string> phases;
};

/// A registered class: what the host keeps of a plugin's node, and where it came from.
struct ModuleEntry {
    std::string kind;
    std::string name;
    std::string doc;
    /// "libailab_vision.so (resnet.cpp:12)".
    std::string origin;
    std::string plugin;
    /// Why the plugin cannot serve on this machine, from its index alone (`NEEDS` of a built-in
    /// one: "needs an NVIDIA GPU (/dev/nvidiactl), which is not here"); empty when it may.
    std::string unusable_here;
    const plugin::ModuleNode* node = nullptr;
    /// The name of a Role, or "".
    std::string role = {};
};

/// A module's checked configuration. Copies share it.
class AILAB_API ModuleConfig {
  public:
    explicit operator bool() const { return entry != nullptr; }
    /// Makes the module; errors of its constructor get the module's name, origin and place added.
    std::shared_ptr<void> create() const;
    /// The configuration with all defaults filled in, a valid input.
    Node write() const;

    std::shared_ptr<const ModuleEntry> entry;
    std::shared_ptr<OptionsHolder> options;
    Binding binding;
    /// Hooks: `enable` (or `enabled`), and `priority` if the configuration gives one.
    bool enable = true;
    std::optional<int> priority;
    /// Datasets: `transforms`, if given.
    std::optional<std::vector<ModuleConfig>> transforms;
    Place place;
};

/// `{type: <type>}`.
AILAB_API Node node_of_type(const std::string& type, const Place& place = {});

/// Reads `{type: …}` of a kind: looks the type up (loading the plugin that has it if need be) and
/// checks its options. What is wrong goes to `problems`; the result is then empty.
AILAB_API ModuleConfig read_module(const std::string& kind, const Node& node,
                                   const std::string& name, Problems& problems);

/// An option that is a module: `ModuleSpec<LrScheduler> scheduler;`
template <class Kind>
class ModuleSpec {
  public:
    explicit operator bool() const { return bool(config); }
    std::shared_ptr<Kind> create() const { return std::static_pointer_cast<Kind>(config.create()); }
    const Binding& binding() const { return config.binding; }
    /// The registered name.
    std::string type() const { return config ? config.entry->name : ""; }

    ModuleConfig config;
};

template <class Kind>
struct OptionType<ModuleSpec<Kind>> {
    static OptionSchema schema() { return OptionSchema::module_of(kind_name<Kind>); }
    static std::string name() { return schema().str(); }
    static void read(const Node& node, ModuleSpec<Kind>& field, const Bounds&,
                     const std::string& name, Problems& problems) {
        field.config = read_module(kind_name<Kind>, node, name, problems);
    }
    static Node write(const ModuleSpec<Kind>& field) {
        return field ? field.config.write() : Node();
    }
};

}  // namespace ailab
