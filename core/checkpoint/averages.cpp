#include "averages.hpp"

#include <filesystem>

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
    const NamedTensors raw = weights.tensors;
    size_t count = 0;
    for (const auto& [name, average] : averages.tensors)
        for (const auto& [own, weight] : raw) {
            if (weights.prefix + own != name || weight.sizes() != average.sizes()) continue;
            for (size_t i = 0; i < raw.size(); ++i) {
                if (!raw[i].second.is_same(weight)) continue;
                weights.tensors[i].second = average;
                ++count;
            }
        }
    if (count == 0)
        throw Error(
            concat("the averages of ", averages.hook, " are those of no weight beside them"));
    return count;
}

}  // namespace ailab
