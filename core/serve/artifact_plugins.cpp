#include "artifact_plugins.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string_view>

#include "ailab/error.hpp"
#include "files/input_file.hpp"
#include "plugin/elf_image.hpp"
#include "plugin/plugin_host.hpp"
#include "plugin/search_path.hpp"
#include "pth/pickle_values.hpp"
#include "signature.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

constexpr size_t shown_digits = 12;  // of a build-id

std::string without_case(std::string text) {
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
    return text;
}

bool is_plain_file_name(const std::string& name) {
    const auto is_odd = [](char c) {
        return c == '/' || c == '\\' || static_cast<unsigned char>(c) < ' ' || c == '\x7f';
    };
    constexpr size_t longest = 255;
    return !name.empty() && name.size() <= longest && name != "." && name != ".." &&
           std::none_of(name.begin(), name.end(), is_odd);
}

/// One line, whatever the artifact calls its plugin.
std::string title_of(const ServedPlugin& plugin) {
    return printable(concat("\"", plugin.name, "\" ", plugin.version, " (", plugin.file, ", build ",
                            plugin.build_id.substr(0, shown_digits), ")"));
}

std::string needs(const std::string& path, const ServedPlugin& plugin) {
    return concat(path, " needs the plugin ", title_of(plugin));
}

const LoadedPlugin* find_loaded(const std::vector<LoadedPlugin>& loaded, const std::string& name) {
    for (const LoadedPlugin& plugin : loaded)
        if (plugin.name == name) return &plugin;
    return nullptr;
}

[[noreturn]] void refuse_build(const std::string& path, const ServedPlugin& wanted,
                               const std::string& file, const std::string& build_id) {
    throw ConfigError(concat(needs(path, wanted), ", and ", file, " is another build (",
                             build_id.substr(0, shown_digits),
                             "). Give the file that the model was exported with, or export the "
                             "model again"));
}

void check_loaded(const std::string& path, const ServedPlugin& wanted) {
    const std::vector<LoadedPlugin> loaded = PluginHost::instance().loaded();
    const LoadedPlugin* found = find_loaded(loaded, wanted.name);
    if (!found)
        throw ConfigError(concat(needs(path, wanted), ", and what was loaded has another name"));
    if (found->build_id != wanted.build_id)
        refuse_build(path, wanted, found->path, found->build_id);
}

/// What the user has of the plugin.
struct OwnCopy {
    bool loaded = false;
    std::string other_file;  // of another build
    std::string other_build;
};

OwnCopy load_own_copy(const std::string& path, const ServedPlugin& wanted) {
    PluginHost& host = PluginHost::instance();
    OwnCopy own;
    own.loaded = find_loaded(host.loaded(), wanted.name) != nullptr;
    for (const std::string& file : plugin::installed_plugin_files(wanted.file)) {
        if (own.loaded) break;
        const std::string build_id = plugin::read_elf_image(file).build_id;
        own.loaded = build_id == wanted.build_id;
        if (own.loaded)
            host.load(file);
        else
            own.other_file = file, own.other_build = build_id;
    }
    if (own.loaded) check_loaded(path, wanted);
    return own;
}

/// A plugin that comes with the artifact.
struct Brought {
    const ServedPlugin* plugin = nullptr;
    std::string place;        // as messages call it
    at::Tensor included;      // its bytes, if it is in the artifact
    std::string beside = {};  // its file, else

    std::string where() const { return included.defined() ? "the artifact itself" : beside; }
};

std::string file_beside(const std::string& path, const ServedPlugin& wanted) {
    return (fs::absolute(path).parent_path() / wanted.file).string();
}

Brought find_brought(const std::string& path, const ServedPlugin& wanted,
                     const IncludedPlugins& included, const OwnCopy& own) {
    if (const auto found = included.find(wanted.file); found != included.end())
        return {&wanted, concat(path, ":", wanted.file), found->second};
    const std::string beside = file_beside(path, wanted);
    std::error_code none;
    if (fs::exists(fs::symlink_status(beside, none))) return {&wanted, beside, {}, beside};
    if (!own.other_file.empty()) refuse_build(path, wanted, own.other_file, own.other_build);
    throw ConfigError(concat(needs(path, wanted),
                             ", which cannot be loaded: it is not in the artifact, there is no ",
                             beside,
                             ", and AILAB_PLUGIN_PATH does not have it. Name it with --plugins "
                             "(PredictorOptions::plugins), or export with --with-plugins"));
}

[[noreturn]] void refuse(const std::string& path, const std::vector<Brought>& brought) {
    std::vector<std::string> found;
    for (const Brought& one : brought)
        found.push_back(
            concat("the plugin ", title_of(*one.plugin), " and would load it from ", one.where()));
    throw ConfigError(concat(
        path, " needs ", join(found, "; "),
        ": that is code of whoever made the artifact, and it would run with your rights. If you "
        "trust them, give --trust-plugins (PredictorOptions::trust_plugins, "
        "ailab_open_trusted()); if it is signed, --public-key FILE with their key "
        "(PredictorOptions::public_key, ailab_open_signed()); or name a copy of your own with "
        "--plugins or in AILAB_PLUGIN_PATH"));
}

/// The bytes that are checked are those that are loaded: the file is read once.
std::string read_beside(const std::string& path, const Brought& one, bool is_signed) {
    std::string bytes;
    try {
        bytes = InputFile(one.beside, Links::refuse).read_all();
    } catch (const Error& error) {
        throw ConfigError(
            concat(needs(path, *one.plugin), ", which cannot be loaded: ", error.what()));
    }
    if (is_signed && sha256(bytes.data(), bytes.size()) != one.plugin->sha256)
        throw ConfigError(concat(needs(path, *one.plugin), ", and ", one.beside,
                                 one.plugin->sha256.empty()
                                     ? " is not covered by its signature: the artifact has no "
                                       "digest of it. Export it again"
                                     : " is not the file that the signature is of. Give the one "
                                       "that the model was exported with"));
    return bytes;
}

void load(const std::string& path, const Brought& one, std::string_view bytes) {
    try {
        PluginHost::instance().load_bytes(one.place, bytes, one.plugin->build_id);
    } catch (const ConfigError& error) {
        throw ConfigError(concat(needs(path, *one.plugin),
                                 ", which cannot be loaded: ", error.what(),
                                 " Give the file that the model was exported with, or export the "
                                 "model again"));
    }
}

void check_plain(const std::string& path, const std::string& file) {
    if (is_plain_file_name(file)) return;
    throw Error(concat(path, " calls a plugin's file \"", printable(file),
                       "\", and must give a plain file name: plugins are in the artifact or beside "
                       "it, never elsewhere. No export writes that"));
}

}  // namespace

void check_plugin_names(const std::string& path, const std::vector<ServedPlugin>& wanted,
                        const IncludedPlugins& included) {
    std::set<std::string> named, seen;
    for (const ServedPlugin& plugin : wanted) {
        check_plain(path, plugin.file);
        if (!seen.insert(without_case(plugin.file)).second)
            throw Error(concat(path, " names two plugins ", printable(plugin.file),
                               ", or one that differs in upper and lower case alone: rename one, "
                               "and export again"));
        if (!plugin.builtin) named.insert(plugin.file);
    }
    for (const auto& [file, bytes] : included) {
        check_plain(path, file);
        if (!named.count(file))
            throw Error(concat(path, " holds the plugin ", printable(file),
                               ", which its description does not name"));
        if (bytes.scalar_type() != at::kByte || bytes.dim() != 1)
            throw Error(concat(path, ": the plugin ", printable(file), " is no list of bytes"));
    }
}

void load_plugins(const std::string& path, const std::vector<ServedPlugin>& wanted,
                  const IncludedPlugins& included, const PredictorOptions& options) {
    check_plugin_names(path, wanted, included);
    for (const std::string& plugin : options.plugins) PluginHost::instance().load(plugin);
    std::vector<Brought> brought;
    for (const ServedPlugin& plugin : wanted) {
        if (plugin.builtin) continue;
        if (const OwnCopy own = load_own_copy(path, plugin); !own.loaded)
            brought.push_back(find_brought(path, plugin, included, own));
    }
    const bool is_signed = !options.public_key.empty();
    if (!brought.empty() && !is_signed && !options.trust_plugins) refuse(path, brought);

    std::map<const Brought*, std::string> read;
    for (const Brought& one : brought)
        if (!one.beside.empty())
            read[&one] = read_beside(path, one, is_signed && !options.trust_plugins);
    for (const Brought& one : brought) {
        load(path, one,
             one.included.defined()
                 ? std::string_view(static_cast<const char*>(one.included.const_data_ptr()),
                                    size_t(one.included.numel()))
                 : std::string_view(read.at(&one)));
        check_loaded(path, *one.plugin);
    }
}

}  // namespace ailab
