#pragma once
// The global registries and the plugins that filled them. Main thread only.
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ailab/module_spec.hpp"

namespace ailab {

struct LoadedPlugin {
    std::string name;  // from AILAB_PLUGIN
    std::string version;
    std::string doc;
    std::string path;
    std::string build_id;  // hex of the ELF note, or a hash of the file
    bool builtin = false;
};

using CommonOptions = std::function<std::vector<OptionField>(const std::string& kind)>;

class AILAB_API PluginHost {
  public:
    static PluginHost& instance();
    virtual ~PluginHost() = default;

    /// Where bare names are looked for first (the configuration's folder).
    virtual void add_search_folder(const std::string& folder) = 0;
    /// Loads a plugin: all its modules are registered, or none. The same file twice is no error.
    /// Throws ConfigError.
    virtual void load(const std::string& path_or_name) = 0;
    /// The same for a plugin whose bytes are in memory, and are those that run, whatever becomes of
    /// the file they came from. `shown` is what messages call it. Throws ConfigError, before any of
    /// its code runs, if it is another build than `build_id`.
    virtual void load_bytes(const std::string& shown, std::string_view bytes,
                            const std::string& build_id) = 0;
    /// The module, loading the built-in plugin whose index has it. "plugin/Name" picks among
    /// equals. nullptr when unknown or ambiguous, and then `complaint` says so with the nearest
    /// names.
    virtual std::shared_ptr<const ModuleEntry> find(const std::string& kind,
                                                    const std::string& name,
                                                    std::string& complaint) = 0;
    /// Registered and, from the indexes, known modules of a kind ("" for all): nothing is loaded.
    virtual std::vector<ModuleEntry> list(const std::string& kind) const = 0;
    virtual std::vector<LoadedPlugin> loaded() const = 0;
    /// Calls the shutdown functions, newest first. Nothing is ever unloaded.
    virtual void shutdown() = 0;
    /// JSON of a plugin's modules and their options, as --describe prints and the index stores.
    /// `common_options` gives the keys that all modules of a kind take.
    virtual std::string describe(const std::string& path, const CommonOptions& common_options) = 0;
    /// The same as trees, of the plugins that are loaded and, from their indexes, of the built-in
    /// ones: nothing is loaded.
    virtual std::vector<Node> descriptions(const CommonOptions& common_options) const = 0;
};

}  // namespace ailab
