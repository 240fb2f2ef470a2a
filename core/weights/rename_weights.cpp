#include "rename_weights.hpp"

#include <algorithm>
#include <regex>
#include <set>

#include "ailab/error.hpp"
#include "pth/pickle_values.hpp"

namespace ailab {
namespace {

std::string first_names(const WeightsFile& file) {
    constexpr size_t enough = 5;
    std::vector<std::string> names;
    for (const auto& [name, tensor] : file.tensors) {
        if (names.size() == enough) return join(names) + ", …";
        names.push_back(printable(file.prefix + name));
    }
    return names.empty() ? "no tensors" : join(names);
}

/// A user may write the prefix with or without what a wrapper added.
void keep_prefix(WeightsFile& file, const std::string& prefix, const std::string& path) {
    NamedTensors part;
    // `name_of` gives the name as the user may have it, "" for one that is not meant.
    const auto take = [&](const auto& name_of) {
        for (const auto& [name, tensor] : file.tensors)
            if (const std::string full = name_of(name); full.starts_with(prefix))
                part.emplace_back(full.substr(prefix.size()), tensor);
        return !part.empty();
    };
    bool found = false;
    for (const std::string& wrapper : prefixes_to_keep(file.prefix))
        found = found || take([&](const std::string& name) { return wrapper + name; });
    for (const std::string& wrapper : partial_prefixes(file.tensors))
        found = found || take([&](const std::string& name) {
                    return name.starts_with(wrapper) ? name.substr(wrapper.size()) : "";
                });
    if (found) {
        file.tensors = std::move(part);
        file.prefix.clear();
        file.left_out.clear();  // nobody asked for the rest
        return;
    }
    throw Error(concat("no name in ", path, " begins with the prefix \"", prefix,
                       "\"; the file has ", first_names(file)));
}

struct Rule {
    std::string pattern;
    std::regex regex;
    std::string replacement;
    bool used = false;
};

}  // namespace

std::vector<std::string> rename_weights(WeightsFile& file, const Pretrained& rules,
                                        const std::string& path) {
    if (!rules.prefix.empty()) keep_prefix(file, rules.prefix, path);
    std::vector<Rule> mapping;
    for (const auto& [pattern, replacement] : rules.mapping)
        mapping.push_back({pattern, std::regex(pattern), replacement});
    std::stable_sort(mapping.begin(), mapping.end(), [](const Rule& a, const Rule& b) {
        return a.pattern.size() > b.pattern.size();
    });
    std::set<std::string> taken;
    for (auto& [name, tensor] : file.tensors) {
        const auto rule = std::find_if(
            mapping.begin(), mapping.end(),
            [&name = name](const Rule& r) { return std::regex_search(name, r.regex); });
        if (rule != mapping.end()) {
            rule->used = true;
            name = std::regex_replace(name, rule->regex, rule->replacement,
                                      std::regex_constants::format_first_only);
        }
        if (!taken.insert(name).second)
            throw Error(concat("the mapping makes two tensors of ", path, " the model's \"",
                               printable(name), "\""));
    }
    std::vector<std::string> unused;
    for (const Rule& rule : mapping)
        if (!rule.used)
            unused.push_back(
                concat("no name in the file matches the mapping's \"", rule.pattern, "\""));
    return unused;
}

}  // namespace ailab
