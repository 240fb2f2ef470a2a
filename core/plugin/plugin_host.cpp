#include "plugin/plugin_host.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "ailab/log.hpp"
#include "config/formats.hpp"
#include "plugin/builtin_index.hpp"
#include "plugin/describe_plugin.hpp"
#include "plugin/memory_file.hpp"
#include "plugin/module_table.hpp"
#include "plugin/plugin_file.hpp"
#include "plugin/search_path.hpp"

namespace ailab {
namespace {

using plugin::FileId;
using plugin::IndexedPlugin;
using plugin::OpenedPlugin;
using plugin::QualifiedName;

class Host final : public PluginHost {
  public:
    void add_search_folder(const std::string& folder) override {
        if (std::find(folders_.begin(), folders_.end(), folder) == folders_.end())
            folders_.push_back(folder);
    }

    void load(const std::string& path_or_name) override {
        try {
            const std::string path = plugin::find_plugin_file(path_or_name, folders_);
            load_file(path, path);
        } catch (const ConfigError&) {
            not_loaded_.push_back(path_or_name);
            throw;
        }
    }

    void load_bytes(const std::string& shown, std::string_view bytes,
                    const std::string& build_id) override {
        auto file = std::make_unique<const plugin::MemoryFile>(
            std::filesystem::path(shown).filename().string(), bytes);
        const std::string path = file->path();
        const std::string found = plugin::check_plugin(path, shown).build_id;
        if (found != build_id)
            throw ConfigError(concat(shown, " is another build (", found.substr(0, 12), ", not ",
                                     build_id.substr(0, 12), ")."));
        in_memory_.push_back(std::move(file));  // for good: the loader is about to know its path
        load_file(path, shown);
    }

    std::shared_ptr<const ModuleEntry> find(const std::string& kind, const std::string& name,
                                            std::string& complaint) override {
        std::vector<ModuleEntry> equals = candidates(kind, QualifiedName(name));
        if (equals.size() > 1) {
            complaint = plugin::ambiguous_name(equals);
            return nullptr;
        }
        if (equals.empty()) {
            complaint = plugin::unknown_name(kind, name, list(""), user_plugins(), not_loaded_);
            return nullptr;
        }
        return loaded_entry(equals.front());
    }

    std::vector<ModuleEntry> list(const std::string& kind) const override {
        std::vector<ModuleEntry> modules;
        for (const auto& entry : table_.list(kind)) modules.push_back(*entry);
        for (const IndexedPlugin& indexed : index_.plugins()) {
            if (is_loaded(indexed)) continue;
            for (const ModuleEntry& entry : indexed.modules)
                if (kind.empty() || entry.kind == kind) modules.push_back(entry);
        }
        return modules;
    }

    std::vector<LoadedPlugin> loaded() const override {
        std::vector<LoadedPlugin> plugins;
        for (const OpenedPlugin& opened : opened_) plugins.push_back(opened.about);
        return plugins;
    }

    void shutdown() override {
        for (auto opened = opened_.rbegin(); opened != opened_.rend(); ++opened) {
            if (!opened->shutdown) continue;
            // Once only, also when shutdown() is called again.
            const auto function = std::exchange(opened->shutdown, nullptr);
            try {
                function();
            } catch (const std::exception& e) {
                log_warning("the shutdown function of plugin ", opened->about.name,
                            " failed: ", e.what());
            } catch (...) {
                log_warning("the shutdown function of plugin ", opened->about.name,
                            " threw something that is no std::exception");
            }
        }
    }

    std::string describe(const std::string& path, const CommonOptions& common_options) override {
        const std::string file = plugin::find_plugin_file(path, folders_);
        const OpenedPlugin& opened = load_file(file, file);
        return to_json(plugin::describe_plugin(opened.about, opened.modules, common_options), 2);
    }

    std::vector<Node> descriptions(const CommonOptions& common_options) const override {
        std::vector<Node> plugins;
        for (const OpenedPlugin& opened : opened_)
            plugins.push_back(
                plugin::describe_plugin(opened.about, opened.modules, common_options));
        for (const IndexedPlugin& indexed : index_.plugins())
            if (!is_loaded(indexed)) plugins.push_back(plugin::read_description(indexed));
        return plugins;
    }

  private:
    const OpenedPlugin& load_file(const std::string& path, const std::string& shown) {
        const FileId id = plugin::file_id(path);
        const auto known = by_file_.find(id);
        if (known != by_file_.end()) return opened_[known->second];
        OpenedPlugin opened = plugin::open_plugin(path, shown);
        check_plugin_name(opened.about);
        // Nothing below throws anything but bad_alloc: all modules are registered, or none.
        by_file_.emplace(id, opened_.size());
        table_.add(opened.modules);
        return opened_.emplace_back(std::move(opened));
    }

    /// `plugin/Name` must mean one thing.
    void check_plugin_name(const LoadedPlugin& about) const {
        std::string other;
        for (const OpenedPlugin& opened : opened_)
            if (opened.about.name == about.name) other = opened.about.path;
        for (const IndexedPlugin& indexed : index_.plugins())
            if (indexed.name == about.name && !same_file(indexed.path, about.path))
                other = indexed.path;
        if (!other.empty())
            throw ConfigError(concat(about.path, " calls itself \"", about.name, "\", and so does ",
                                     other,
                                     ". Rename one in its AILAB_PLUGIN(...), or drop one from "
                                     "--plugins."));
    }

    static bool same_file(const std::string& a, const std::string& b) {
        std::error_code error;
        return std::filesystem::equivalent(a, b, error);
    }

    bool is_loaded(const IndexedPlugin& indexed) const {
        return std::any_of(opened_.begin(), opened_.end(), [&](const OpenedPlugin& opened) {
            return opened.about.name == indexed.name;
        });
    }

    /// Every module that the name may mean, registered or known from an index.
    std::vector<ModuleEntry> candidates(const std::string& kind,
                                        const QualifiedName& wanted) const {
        std::vector<ModuleEntry> equals;
        for (ModuleEntry& entry : named(kind, wanted.name))
            if (wanted.plugin.empty() || entry.plugin == wanted.plugin)
                equals.push_back(std::move(entry));
        return equals;
    }

    std::vector<ModuleEntry> named(const std::string& kind, const std::string& name) const {
        std::vector<ModuleEntry> found;
        for (const auto& entry : table_.find(kind, name)) found.push_back(*entry);
        for (const IndexedPlugin& indexed : index_.plugins()) {
            if (is_loaded(indexed)) continue;
            for (const ModuleEntry& entry : indexed.modules)
                if (entry.kind == kind && entry.name == name) found.push_back(entry);
        }
        return found;
    }

    /// The registered entry for a candidate, whose built-in plugin is loaded if need be.
    std::shared_ptr<const ModuleEntry> loaded_entry(const ModuleEntry& wanted) {
        if (!wanted.node) {
            for (const IndexedPlugin& indexed : index_.plugins())
                if (indexed.name == wanted.plugin) load_file(indexed.path, indexed.path);
        }
        for (const auto& entry : table_.find(wanted.kind, wanted.name))
            if (entry->plugin == wanted.plugin) return entry;
        throw Error(concat("the index of built-in plugin ", wanted.plugin, " lists ", wanted.kind,
                           " \"", wanted.name,
                           "\", and the plugin does not have it. Build or install ailab "
                           "again."));
    }

    std::vector<std::string> user_plugins() const {
        std::vector<std::string> names;
        for (const OpenedPlugin& opened : opened_)
            if (!opened.about.builtin) names.push_back(opened.about.name);
        return names;
    }

    std::vector<std::string> folders_;
    plugin::BuiltinIndex index_{plugin::builtin_folder()};
    plugin::ModuleTable table_;
    std::vector<OpenedPlugin> opened_;
    std::vector<std::string> not_loaded_;  // asked for, and refused
    std::map<FileId, size_t> by_file_;
    std::vector<std::unique_ptr<const plugin::MemoryFile>> in_memory_;
};

}  // namespace

PluginHost& PluginHost::instance() {
    static Host host;
    return host;
}

}  // namespace ailab
