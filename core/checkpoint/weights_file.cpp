#include "weights_file.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "ailab/error.hpp"
#include "files/file_kind.hpp"
#include "files/input_file.hpp"
#include "pth/pth_file.hpp"

namespace ailab {
namespace {

/// Where checkpoints keep a state dict, in the order in which they are tried. timm's keep averages
/// beside it, and timm's own loader takes these.
constexpr const char* weights_keys[] = {"model_state",
                                        "model_state_dict",
                                        "state_dict_ema",
                                        "state_dict",
                                        "model",
                                        "module",
                                        "net",
                                        "network",
                                        "weights",
                                        "params",
                                        "model_ema",
                                        "ema_state_dict",
                                        "params_ema",
                                        "ema"};

/// What DistributedDataParallel, the original ailab and torch.compile put before every name.
constexpr std::string_view wrappers[] = {"module.", "model.", "_orig_mod."};

bool holds_tensors(const PickleValue& value) {
    const PickleEntries entries = entries_of(value);
    return std::any_of(entries.begin(), entries.end(), [](const auto& entry) {
        return entry.first->template get<std::string>() && PthFile::is_tensor(*entry.second);
    });
}

[[noreturn]] void refuse(const PthFile& file, const std::string& why) {
    throw Error(printable(concat("cannot read weights from ", file.path(), ": ", why)));
}

/// Says what is there instead of weights.
[[noreturn]] void refuse_root(const PthFile& file) {
    const PickleValue& root = file.root();
    const PickleCall* call = root.call();
    const PickleRef attributes = call ? call->state : nullptr;
    if (attributes && find(*attributes, "_parameters"))
        refuse(file, concat("it holds a whole module, ", describe(root),
                            ", whose code is not here; save its state_dict() instead"));
    if (!is_mapping(root)) refuse(file, concat("it holds ", describe(root), ", no state dict"));
    constexpr size_t shown = 60;
    std::vector<std::string> keys;
    for (const auto& [key, value] : entries_of(root)) {
        const auto* text = key->get<std::string>();
        keys.push_back(text ? text->substr(0, shown) : describe(*key));
        constexpr size_t enough = 20;
        if (keys.size() == enough) break;
    }
    refuse(file, concat("it has no tensors at its top, nor under any of ",
                        join({std::begin(weights_keys), std::end(weights_keys)}),
                        keys.empty() ? "; it is empty" : "; its keys are " + join(keys)));
}

constexpr int max_wrappers = 4;

bool begins_below(const std::string& name, const std::string& prefix) {
    return name.starts_with(prefix) && name.size() > prefix.size();
}

std::string shared_prefix(const NamedTensors& tensors) {
    std::string prefix;
    bool found = !tensors.empty();
    for (int depth = 0; found && depth < max_wrappers; ++depth) {
        found = false;
        for (const std::string_view wrapper : wrappers) {
            const std::string longer = prefix + std::string(wrapper);
            const bool all = std::all_of(tensors.begin(), tensors.end(), [&](const auto& entry) {
                return begins_below(entry.first, longer);
            });
            if (!all) continue;
            prefix = longer;
            found = true;
            break;
        }
    }
    return prefix;
}

void drop_prefix(WeightsFile& weights) {
    weights.prefix = shared_prefix(weights.tensors);
    for (auto& [name, tensor] : weights.tensors) name.erase(0, weights.prefix.size());
}

}  // namespace

WeightsFile read_weights(PthFile& file) {
    WeightsFile weights;
    PickleRef state = nullptr;
    for (const char* key : weights_keys) {
        const PickleRef value = find(file.root(), key);
        if (!value || !holds_tensors(*value)) continue;
        if (state) {
            weights.other_keys.emplace_back(key);
            continue;
        }
        state = value;
        weights.key = key;
    }
    if (!state && holds_tensors(file.root())) state = &file.root();
    if (!state) refuse_root(file);

    std::set<std::string> seen;
    for (const auto& [key, value] : entries_of(*state)) {
        const auto* name = key->get<std::string>();
        if (!name) {
            weights.left_out.push_back(concat("the key of an entry is ", describe(*key)));
        } else if (!seen.insert(*name).second) {
            refuse(file, concat("\"", *name, "\" is there twice"));
        } else if (PthFile::is_tensor(*value)) {
            weights.tensors.emplace_back(*name, file.tensor(*value, *name));
        } else {
            weights.left_out.push_back(
                concat("\"", printable(*name), "\" is ", describe(*value), ", not a tensor"));
        }
    }
    drop_prefix(weights);
    return weights;
}

WeightsFile read_weights_file(const std::string& path) {
    bool is_pth = false;
    {
        const InputFile file(path);
        if (file.size() == 0)
            throw Error(concat("cannot read weights from ", path, ": it is empty"));
        is_pth = !is_safetensors(file);
        if (is_pth && !is_pth_file(file))
            throw Error(concat("cannot read weights from ", path,
                               ": it is neither a safetensors file nor one of torch.save, but ",
                               describe_kind(file)));
    }
    if (is_pth) {
        PthFile file(path);
        return read_weights(file);
    }
    WeightsFile weights;
    weights.tensors = read_safetensors(path, &weights.metadata);
    restore_aliases(weights.tensors, weights.metadata);
    drop_prefix(weights);
    return weights;
}

std::vector<std::string> prefixes_to_keep(const std::string& prefix) {
    std::vector<std::string> kept = {prefix};
    while (!kept.back().empty()) kept.push_back(kept.back().substr(kept.back().find('.') + 1));
    return kept;
}

std::vector<std::string> partial_prefixes(const NamedTensors& tensors) {
    std::vector<std::string> found, ends = {""};
    for (int depth = 0; depth < max_wrappers; ++depth) {
        std::vector<std::string> longer;
        for (const std::string& end : ends)
            for (const std::string_view wrapper : wrappers) {
                const std::string prefix = end + std::string(wrapper);
                if (std::any_of(tensors.begin(), tensors.end(), [&](const auto& entry) {
                        return begins_below(entry.first, prefix);
                    }))
                    longer.push_back(prefix);
            }
        found.insert(found.end(), longer.begin(), longer.end());
        ends = std::move(longer);
    }
    return found;
}

}  // namespace ailab
