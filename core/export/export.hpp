#pragma once
#include <string>
#include <vector>

#include "ailab/export.hpp"
#include "schema/run_config.hpp"

namespace ailab {

/// What `ailab-run export` is to do.
struct ExportRequest {
    std::string checkpoint;      // see choose_checkpoint()
    std::string format;          // the name of an exporter
    Node options = Node::map();  // of the exporter
    std::string output;
    bool force = false;  // replaces a file that exists
};

/// Of the exporters that are known: the built-in ones', and those of loaded plugins.
AILAB_API std::vector<std::string> export_formats();

/// Writes a trained model in another form, complete or not at all, reads that back and compares its
/// outputs with the model's on real samples, where the exporter reads. Prints what it did. Throws
/// Error and ConfigError: no such checkpoint or form, an operation without a counterpart, outputs
/// that differ.
AILAB_API void export_model(const ConfigInput& input, const ExportRequest& request);

}  // namespace ailab
