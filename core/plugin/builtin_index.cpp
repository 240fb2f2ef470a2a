#include "plugin/builtin_index.hpp"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "ailab/support/regular_file.hpp"
#include "config/formats.hpp"
#include "plugin/plugin_file.hpp"

namespace fs = std::filesystem;
using nlohmann::json;

namespace ailab::plugin {
namespace {

constexpr uint64_t most_bytes = 64 << 20;

std::string damaged(const std::string& file, const char* what) {
    return concat("the index ", file, " of a built-in plugin is damaged: ", what,
                  ". Build or install ailab again.");
}

/// Every run reads the indexes, and what they say of options is most of them.
bool is_wanted(int, json::parse_event_t event, json& parsed) {
    return event != json::parse_event_t::key || (parsed != "options" && parsed != "common_options");
}

IndexedPlugin read_index(const fs::path& file) {
    try {
        const json content = json::parse(read_regular_file(file.string(), most_bytes), is_wanted);
        IndexedPlugin plugin;
        plugin.index = file.string();
        plugin.name = content.at("plugin");
        plugin.path = (file.parent_path() / content.at("file").get<std::string>()).string();
        for (const json& module : content.at("modules")) {
            ModuleEntry& entry = plugin.modules.emplace_back();
            entry.kind = module.at("kind");
            entry.name = module.at("name");
            entry.doc = module.at("doc");
            entry.role = module.value("role", "");
            entry.plugin = plugin.name;
            entry.origin = origin_text(plugin.path, module.at("source"), module.at("line"));
        }
        return plugin;
    } catch (const json::exception& e) {
        throw Error(damaged(file.string(), e.what()));
    }
}

}  // namespace

Node read_description(const IndexedPlugin& plugin) {
    return from_json(read_regular_file(plugin.index, most_bytes), plugin.index);
}

const std::vector<IndexedPlugin>& BuiltinIndex::plugins() const {
    if (plugins_) return *plugins_;
    std::vector<fs::path> files;
    std::error_code error;
    for (const fs::directory_entry& file : fs::directory_iterator(folder_, error)) {
        // An index without its library is left over from a build; the search path says so if
        // wanted.
        const std::string stem = file.path().stem().string();
        if (file.path().extension() == ".json" &&
            fs::exists(file.path().parent_path() / ("lib" + stem + ".so")))
            files.push_back(file.path());
    }
    std::sort(files.begin(), files.end());
    std::vector<IndexedPlugin> plugins;
    for (const fs::path& file : files) plugins.push_back(read_index(file));
    return plugins_.emplace(std::move(plugins));
}

}  // namespace ailab::plugin
