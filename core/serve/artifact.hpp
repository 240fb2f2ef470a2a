#pragma once
// An artifact: a trained model in one file. It is a safetensors file, which any reader of those
// opens: the weights under their names, the ServedSpec as JSON in the metadata, the plugins, if
// they are in it, as bytes under `plugin/<file>`, and a checksum of every byte.
#include <memory>
#include <string>

#include "ailab/predictor.hpp"
#include "artifact_file.hpp"
#include "checkpoint/safetensors.hpp"
#include "served_model.hpp"

namespace ailab {

/// Writes a new file. `with_plugins`: the user's plugins too. Throws Error.
void write_artifact(const std::string& path, const ServedSpec& spec, const NamedTensors& weights,
                    bool with_plugins);

/// Reads one, loads its plugins and makes the model. Throws Error when the file is damaged or of
/// another version of ailab, ConfigError for a plugin that is missing or of another build.
std::unique_ptr<ServedModel> open_artifact(const std::string& path,
                                           const PredictorOptions& options);

/// What an artifact says of itself. Throws Error when it is damaged.
ServedSpec read_artifact_spec(const std::string& path);

}  // namespace ailab
