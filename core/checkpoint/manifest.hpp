#pragma once
#include <map>
#include <string>

#include "ailab/node.hpp"
#include "durable_file.hpp"

namespace ailab {

/// manifest.json: which files make up a checkpoint, and what they hold.
struct Manifest {
    int world_size = 1;
    std::map<std::string, FileDigest> files;
    Node facts = Node::map();  // step, configuration digest, plugins, …
};

std::string encode_manifest(const Manifest& manifest);
/// Reads `<folder>/manifest.json`. Throws Error that says what is wrong with it.
Manifest read_manifest(const std::string& folder);

}  // namespace ailab
