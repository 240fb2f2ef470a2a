#pragma once
// Keys that every module of a kind takes beside its own options.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ailab/module_spec.hpp"
#include "pretrained.hpp"

namespace ailab {

/// A hook's priority: a number, or one of MMEngine's names.
struct HookPriority {
    int value = 0;
};

template <>
struct OptionType<HookPriority> {
    static OptionSchema schema();
    static void read(const Node&, HookPriority&, const Bounds&, const std::string&, Problems&);
    static Node write(const HookPriority&);
};

struct CommonKeys {
    std::string kind;
    Binding binding;
    /// Of the run's model; RunModel reads it.
    std::optional<Pretrained> pretrained;
    std::optional<bool> enable;
    std::optional<bool> enabled;
    std::optional<HookPriority> priority;
    std::optional<std::vector<ModuleSpec<Transform>>> transforms;

    void visit(OptionVisitor& v);
};

/// Those of a kind: mapping, enable, priority, …
AILAB_API std::vector<OptionField> describe_common_options(const std::string& kind);

}  // namespace ailab
