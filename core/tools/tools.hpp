#pragma once
#include <string>
#include <vector>

#include "ailab/export.hpp"

namespace ailab {

/// What a tool over runs and checkpoints is to do.
struct ToolRequest {
    std::vector<std::string> paths;
    std::string work_dir = "./work_dir";  // where `latest` and `best` are
    std::string output;                   // a file, where the tool writes one
    bool force = false;                   // replaces a file that exists
    bool json = false;
    std::string public_key;  // that an artifact must be signed by, if it is not ""
};

/// The runs of work_dirs, a line each: state, epochs, best metrics, duration, and where its
/// configuration differs from those of the others. Returns the table (or JSON).
AILAB_API std::string list_runs(const ToolRequest& request);
/// Writes a page (compare.html) with the curves of two or more runs in the same charts, and how
/// their configurations differ.
AILAB_API std::string compare_runs(const ToolRequest& request);

/// What a tool prints, and whether something that it was given is damaged or missing.
struct ToolOutput {
    std::string text;
    bool failed = false;
};

/// What is in checkpoints, files of weights and artifacts, and whether they are whole. One that
/// cannot be read is said to be so among the others.
AILAB_API ToolOutput inspect_checkpoint(const ToolRequest& request);
/// Writes the mean of several checkpoints' weights as a .safetensors file.
AILAB_API std::string average_checkpoints(const ToolRequest& request);

}  // namespace ailab
