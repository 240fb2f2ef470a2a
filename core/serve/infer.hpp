#pragma once
#include <string>
#include <vector>

#include "ailab/export.hpp"
#include "schema/run_config.hpp"

namespace ailab {

/// What `ailab-run infer` is to do.
struct InferRequest {
    /// An artifact, when config.path is empty.
    std::string artifact;
    bool trust_plugins = false;  // of the artifact
    std::string public_key;      // that the artifact must be signed by, if it is not ""
    ConfigInput config;
    std::string checkpoint;
    /// Files, folders, globs, .safetensors files of inputs, "-" for a list on standard input.
    std::vector<std::string> inputs;
    std::string output;  // a file of JSON lines; "": standard output
    bool force = false;  // replaces an output that exists
    std::string device = "auto";
    int64_t topk = 5;
    int64_t batch_size = 0;  // 0: chosen
    int threads = 0;
    bool scores = false;  // all values of outputs that have many
    bool progress = true;
};

/// Runs a trained model on files and writes a JSON line for each as it comes. Returns how many
/// could not be used. Throws Error and ConfigError.
AILAB_API int64_t infer(const InferRequest& request);

}  // namespace ailab
