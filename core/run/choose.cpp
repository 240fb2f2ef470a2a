#include "choose.hpp"

#include <algorithm>

#include "ailab/module_spec.hpp"
#include "plugin/plugin_host.hpp"

namespace ailab {

namespace {

template <class Kind>
std::shared_ptr<Kind> make(const std::string& name, const Place& place, Problems& problems) {
    Node node = Node::map();
    node.place = place;
    Node type = Node::string(name, place);
    node.set("type", std::move(type));
    const ModuleConfig module =
        read_module(kind_name<Kind>, node, concat(kind_name<Kind>, " \"", name, "\""), problems);
    return module ? std::static_pointer_cast<Kind>(module.create()) : nullptr;
}

/// For `auto`: one of a kind that may be unusable on this machine, which is then no error.
template <class Kind>
std::shared_ptr<Kind> make_if_possible(const ModuleEntry& entry, std::string& reason) {
    Problems problems;
    try {
        std::shared_ptr<Kind> made = make<Kind>(entry.name, {}, problems);
        if (made) return made;
        reason = problems.list().empty() ? "unknown" : problems.list()[0].text;
    } catch (const std::exception& error) {
        reason = error.what();
    }
    return nullptr;
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
    ChosenDevice best;
    int best_score = -1;
    std::vector<std::string> reasons;
    for (const ModuleEntry& entry : PluginHost::instance().list(kind_name<Device>)) {
        if (!entry.unusable_here.empty()) {
            reasons.push_back(concat(entry.name, ": ", entry.unusable_here));
            continue;
        }
        std::string reason;
        const auto device = make_if_possible<Device>(entry, reason);
        const Availability here = device ? device->available(rank_info) : Availability{reason, 0};
        if (!here.ok())
            reasons.push_back(concat(entry.name, ": ", here.reason));
        else if (here.score > best_score)
            best = {entry.name, device}, best_score = here.score;
    }
    if (!best.device) throw Error(concat("no device can be used here: ", join(reasons, "; ")));
    return best;
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
    struct Scored {
        BackendCandidate candidate;
        int score;
    };
    std::vector<Scored> usable;
    std::vector<std::string> reasons;
    for (const ModuleEntry& entry : PluginHost::instance().list(kind_name<Backend>)) {
        if (!entry.unusable_here.empty()) continue;
        std::string reason;
        const auto backend = make_if_possible<Backend>(entry, reason);
        const Availability here =
            backend ? backend->available(rank_info, device) : Availability{reason, 0};
        if (here.ok())
            usable.push_back({{entry.name, backend}, here.score});
        else
            reasons.push_back(concat(entry.name, ": ", here.reason));
    }
    if (usable.empty())
        throw ConfigError({{place, concat("no backend can be used here: ", join(reasons, "; "))}});
    std::stable_sort(usable.begin(), usable.end(),
                     [](const Scored& a, const Scored& b) { return a.score > b.score; });
    std::vector<BackendCandidate> candidates;
    for (Scored& one : usable) candidates.push_back(std::move(one.candidate));
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
