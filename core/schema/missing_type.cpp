#include "missing_type.hpp"

#include <algorithm>
#include <vector>

#include "ailab/support/number_text.hpp"
#include "config/scalar.hpp"
#include "plugin/plugin_host.hpp"

namespace ailab {
namespace {

/// A typo of `type` itself is near enough to name it.
bool report_misspelt_type(const Node& module, const std::string& name, Problems& problems) {
    for (const Member& member : module.members())
        if (nearest_name(member.key, {"type"}) == "type") {
            problems.add(member.place, concat(name, " has no \"type\"; is ", in_quotes(member.key),
                                              " a misspelling of it?"));
            return true;
        }
    return false;
}

/// "early_stop" for EarlyStopHook.
std::string usual_key(const std::string& type) {
    const std::string ending = "Hook";
    const std::string stem =
        type.ends_with(ending) ? type.substr(0, type.size() - ending.size()) : type;
    std::string key;
    for (size_t i = 0; i < stem.size(); ++i) {
        const auto is_between = [&](size_t at, char first, char last) {
            return stem[at] >= first && stem[at] <= last;
        };
        if (i > 0 && is_between(i, 'A', 'Z') && is_between(i - 1, 'a', 'z')) key += '_';
        key += stem[i];
    }
    return lower_case(key);
}

std::string advice_from_types(const std::string& key) {
    std::vector<std::string> keys, types, examples;
    for (const ModuleEntry& entry : PluginHost::instance().list("hook")) {
        keys.push_back(usual_key(entry.name));
        types.push_back(entry.name);
        examples.push_back(concat(keys.back(), ": {type: ", entry.name, "}"));
    }
    const std::string usual = nearest_name(key, keys);
    const auto found = std::find(keys.begin(), keys.end(), usual);
    if (found == keys.end()) return concat(", the name of a hook. Usual are ", join(examples), ".");
    // "metrics" is no misspelling of "metric".
    return concat("; did you mean ", key.starts_with(usual) ? key : usual,
                  ": {type: ", types[size_t(found - keys.begin())], "}?");
}

}  // namespace

void report_missing_type(const std::string& kind, const Node& module, const std::string& name,
                         Problems& problems) {
    if (report_misspelt_type(module, name, problems)) return;
    problems.add(module.place,
                 concat(name, " has no \"type\", the name of a ", kind,
                        ". Add one; ailab-run --list-modules ", kind, " lists them."));
}

void report_missing_type(const Member& hook, const Node& hooks, const std::string& name,
                         Problems& problems) {
    if (report_misspelt_type(hook.value, name, problems)) return;
    std::vector<std::string> siblings;
    for (const Member& member : hooks.members())
        if (member.value.find("type")) siblings.push_back(member.key);
    const std::string near = nearest_name(hook.key, siblings);
    problems.add(hook.place,
                 concat(name, " has no \"type\"",
                        near.empty() ? advice_from_types(hook.key)
                                     : concat("; did you mean ", in_quotes(near), "?")));
}

}  // namespace ailab
