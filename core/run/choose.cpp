#include "choose.hpp"

#include <algorithm>

#include "ailab/module_spec.hpp"
#include "plugin/plugin_host.hpp"

namespace ailab {

namespace {

template <class Kind>
std::shared_ptr<Kind> make(const std::string& name, const Place& place, Problems& problems) {
    const ModuleConfig module = read_module(kind_name<Kind>, node_of_type(name, place),
                                            concat(kind_name<Kind>, " \"", name, "\""), problems);
    return module ? std::static_pointer_cast<Kind>(module.create()) : nullptr;
}

/// For `auto`: one of a kind that may be unusable on this machine, which is then no error.
template <class Kind>
std::shared_ptr<Kind> make_if_possible(const ModuleEntry& entry, std::string& reason) {
    Problems problems;
    try {
        std::shared_ptr<Kind> made = make<Kind>(entry.name, {}, problems);
        if (made) return made;
        if (!problems.list().empty()) reason = problems.list()[0].text;
    } catch (const std::exception& error) {
        reason = error.what();
    }
    if (reason.empty()) reason = "unknown";
    return nullptr;
}

template <class Kind>
struct Usable {
    std::string name;
    std::shared_ptr<Kind> module;
    int score;
};

/// Those that can be used on this machine, the best first. `look(module)` is its Availability; what
/// keeps the others from it is added to `reasons`.
template <class Kind, class Look>
std::vector<Usable<Kind>> usable_here(const Look& look, std::vector<std::string>& reasons) {
    std::vector<Usable<Kind>> usable;
    for (const ModuleEntry& entry : PluginHost::instance().list(kind_name<Kind>)) {
        std::string reason = entry.unusable_here;
        const auto module = reason.empty() ? make_if_possible<Kind>(entry, reason) : nullptr;
        const Availability here = module ? look(*module) : Availability{reason, 0};
        if (here.ok())
            usable.push_back({entry.name, module, here.score});
        else
            reasons.push_back(concat(entry.name, ": ", here.reason));
    }
    std::stable_sort(
        usable.begin(), usable.end(),
        [](const Usable<Kind>& a, const Usable<Kind>& b) { return a.score > b.score; });
    return usable;
}

}  // namespace

ChosenDevice choose_device(const RunConfig& config, const RankInfo& rank_info) {
    const std::string& wanted = config.runtime.device;
    if (wanted != "auto") {
        const Place place = place_of(config.source, "runtime.device");
        Problems problems;
        const auto device = make<Device>(wanted, place, problems);
        if (device)
            if (const Availability here = device->available(rank_info); !here.ok())
                problems.add(place, here.reason);
        problems.check();
        return {wanted, device};
    }
    std::vector<std::string> reasons;
    const auto usable =
        usable_here<Device>([&](Device& device) { return device.available(rank_info); }, reasons);
    if (usable.empty()) throw Error(concat("no device can be used here: ", join(reasons, "; ")));
    return {usable[0].name, usable[0].module};
}

std::vector<BackendCandidate> choose_backends(const RunConfig& config, const RankInfo& rank_info,
                                              c10::DeviceType device) {
    const std::string& wanted = config.dist.backend;
    const Place place = place_of(config.source, "dist.backend");
    if (wanted != "auto") {
        Problems problems;
        std::string unusable;
        for (const ModuleEntry& entry : PluginHost::instance().list(kind_name<Backend>))
            if (entry.name == wanted) unusable = entry.unusable_here;
        if (!unusable.empty())
            throw ConfigError({{place, concat("backend \"", wanted, "\" ", unusable,
                                              "; set dist.backend to auto, shm, mpi or gloo")}});
        const auto backend = make<Backend>(wanted, place, problems);
        if (backend)
            if (const Availability here = backend->available(rank_info, device); !here.ok())
                problems.add(place, here.reason);
        problems.check();
        if (rank_info.world_size == 1) return {};
        return {{wanted, backend}};
    }
    if (rank_info.world_size == 1) return {};
    std::vector<std::string> reasons;
    std::vector<BackendCandidate> candidates;
    for (const Usable<Backend>& one : usable_here<Backend>(
             [&](Backend& backend) { return backend.available(rank_info, device); }, reasons))
        candidates.push_back({one.name, one.module});
    if (candidates.empty())
        throw ConfigError({{place, concat("no backend can be used here: ", join(reasons, "; "))}});
    return candidates;
}

std::shared_ptr<Backend> choose_early_broadcast() {
    for (const ModuleEntry& entry : PluginHost::instance().list(kind_name<Backend>)) {
        if (!entry.unusable_here.empty()) continue;
        std::string reason;  // not being able to is no error: another may be
        const auto backend = make_if_possible<Backend>(entry, reason);
        if (backend && backend->early_broadcast()) return backend;
    }
    return nullptr;
}

}  // namespace ailab
