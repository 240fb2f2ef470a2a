#include "averages.hpp"

#include <filesystem>
#include <map>

#include "ailab/error.hpp"
#include "manifest.hpp"
#include "state_files.hpp"

namespace ailab {

namespace fs = std::filesystem;

std::optional<Averages> read_averages(const std::string& folder) {
    std::error_code unreadable;  // a folder of weights alone has no manifest
    if (!fs::exists(fs::path(folder) / checkpoint_file::manifest, unreadable)) return {};
    const Manifest manifest = read_manifest(folder);
    const Node* hook = manifest.facts.find("exported_by");
    if (!hook) return {};
    Averages averages{hook->as_string(), {}};
    const std::string prefix = averages.hook + "/";
    for (auto& [name, tensor] :
         read_safetensors((fs::path(folder) / checkpoint_file::state_tensors).string()))
        if (name.starts_with(prefix))
            averages.tensors.emplace_back(name.substr(prefix.size()), std::move(tensor));
    if (averages.tensors.empty())
        throw Error(concat(folder, " says that its averages are those of ", averages.hook,
                           ", and has none of them"));
    return averages;
}

size_t put_averages(const Averages& averages, WeightsFile& weights) {
    // Tied weights lie there under each name; the metadata say whose tensor they are.
    const auto owner = [&](const std::string& name) {
        const auto noted = weights.metadata.find(name);
        return noted == weights.metadata.end() ? name : noted->second;
    };
    std::map<std::string, at::Tensor> by_owner;
    for (const auto& [name, average] : averages.tensors) by_owner.emplace(owner(name), average);
    size_t count = 0;
    for (auto& [name, weight] : weights.tensors) {
        const auto found = by_owner.find(owner(weights.prefix + name));
        if (found == by_owner.end() || found->second.sizes() != weight.sizes()) continue;
        weight = found->second;
        ++count;
    }
    if (count == 0)
        throw Error(
            concat("the averages of ", averages.hook, " are those of no weight beside them"));
    return count;
}

}  // namespace ailab
