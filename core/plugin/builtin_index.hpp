#pragma once
// The indexes `<name>.json` beside the built-in plugins: which module is in which file, known
// without loading any. Written at build time from describe().
#include <optional>
#include <string>
#include <vector>

#include "ailab/module_spec.hpp"

namespace ailab::plugin {

struct IndexedPlugin {
    std::string name;
    std::string path;
    std::string index;                 // its file
    std::vector<ModuleEntry> modules;  // without node
};

/// All that the index says: what describe_plugin() gave. Throws Error when it is damaged.
Node read_description(const IndexedPlugin& plugin);

class BuiltinIndex {
  public:
    explicit BuiltinIndex(std::string folder) : folder_(std::move(folder)) {}

    /// Reads the folder on the first call. A folder that does not exist holds nothing. Throws Error
    /// when an index is damaged.
    const std::vector<IndexedPlugin>& plugins() const;

  private:
    std::string folder_;
    mutable std::optional<std::vector<IndexedPlugin>> plugins_;
};

}  // namespace ailab::plugin
