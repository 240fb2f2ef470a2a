#pragma once
// An artifact: a trained model in one file. It is a safetensors file, which any reader of those
// opens: the weights under their names, the ServedSpec as JSON in the metadata, the plugins, if
// they are in it, as bytes under `plugin/<file>`, a checksum of every byte and, if it is signed, a
// signature.
#include <memory>
#include <string>

#include "ailab/predictor.hpp"
#include "artifact_file.hpp"
#include "artifact_plugins.hpp"
#include "checkpoint/safetensors.hpp"
#include "served_model.hpp"

namespace ailab {

/// The metadata that holds the checksum.
inline constexpr const char* artifact_checksum = "ailab.crc32c";

/// Writes a new file. `with_plugins`: the user's plugins too. Throws Error.
void write_artifact(const std::string& path, const ServedSpec& spec, const NamedTensors& weights,
                    bool with_plugins);

/// What is in an artifact. Its file was read once: what is checked here is what is used.
struct Artifact {
    std::string path;
    Metadata metadata;
    NamedTensors tensors;  // weights and plugins

    /// Throws Error when it says what no export writes, or is of another version of ailab.
    ServedSpec spec() const;
    NamedTensors weights() const;
    IncludedPlugins plugins() const;
};

/// Throws Error when the file is damaged.
Artifact read_artifact(const std::string& path);
/// The reverse, into a new file. Throws Error.
void write_artifact(const std::string& path, const Artifact& artifact);

/// Reads one, checks its signature (options.public_key), loads its plugins, as load_plugins() says,
/// and makes the model. Throws Error when the file is damaged or of another version of ailab,
/// ConfigError for a plugin that is missing, of another build or not trusted, and for a signature.
std::unique_ptr<ServedModel> open_artifact(const std::string& path,
                                           const PredictorOptions& options);

/// What an artifact says of itself. Throws Error when it is damaged.
ServedSpec read_artifact_spec(const std::string& path);

}  // namespace ailab
