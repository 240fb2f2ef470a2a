#pragma once
// All registered modules by kind and name, and what a name means when several plugins have it.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ailab/module_spec.hpp"

namespace ailab::plugin {

class ModuleTable {
  public:
    using Entry = std::shared_ptr<const ModuleEntry>;

    void add(const std::vector<Entry>& entries);
    /// All modules of that name, in the order in which their plugins were loaded.
    std::vector<Entry> find(const std::string& kind, const std::string& name) const;
    /// All of a kind ("" for all).
    std::vector<Entry> list(const std::string& kind) const;

  private:
    std::vector<Entry> entries_;
};

/// `vision/ResNet50` in its two parts; plugin is "" for a bare name.
struct QualifiedName {
    explicit QualifiedName(const std::string& text);
    std::string plugin;
    std::string name;
};

/// Why a name of several modules means none of them.
std::string ambiguous_name(const std::vector<ModuleEntry>& equals);
/// Why a name means nothing: the nearest names, what there is, and which plugins were loaded or
/// could not be (`not_loaded`).
std::string unknown_name(const std::string& kind, const std::string& name,
                         const std::vector<ModuleEntry>& known,
                         const std::vector<std::string>& loaded,
                         const std::vector<std::string>& not_loaded = {});

}  // namespace ailab::plugin
