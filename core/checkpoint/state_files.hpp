#pragma once
// How states lie in the files of a checkpoint.
#include <map>
#include <string>

#include "ailab/state.hpp"
#include "safetensors.hpp"

namespace ailab {

namespace checkpoint_file {
inline constexpr const char* model = "model.safetensors";
inline constexpr const char* state_tensors = "state.safetensors";
inline constexpr const char* state_values = "state.json";
inline constexpr const char* manifest = "manifest.json";
/// Begins the name of a module's tensor in a rank's file.
inline constexpr const char* of_module = "module/";
inline std::string rank(int rank) {
    return "rank" + std::to_string(rank) + ".safetensors";
}
inline std::string shards(int rank) {
    return "shards" + std::to_string(rank) + ".safetensors";
}
}  // namespace checkpoint_file

struct StateFiles {
    NamedTensors tensors;  // "<module>/<name>"
    std::string values;    // JSON
};

/// `run` and the modules' states together. Throws Error for a module named "run" or with a slash.
StateFiles pack_states(const std::map<std::string, State>& modules, const State& run);
/// The modules' rank_tensors or shards of this rank, "<module>/<name>".
NamedTensors pack_rank_tensors(const std::map<std::string, State>& modules);
NamedTensors pack_shards(const std::map<std::string, State>& modules);
/// The reverse. `source` is the folder, for messages.
void unpack_states(const NamedTensors& tensors, const std::string& values,
                   const std::string& source, std::map<std::string, State>& modules, State& run);

/// The value of a key that must be there; else throws Error beginning with `source`.
const Node& member(const Node& map, const std::string& key, const std::string& source);

/// One line of JSON in which NaN and infinities survive, as {"$float": "nan"}.
std::string values_to_json(const Node& values);
Node values_from_json(const std::string& text, const std::string& source);

}  // namespace ailab
