#include "plugin/plugin_file.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <map>

#include "ailab/log.hpp"
#include "plugin/search_path.hpp"
#include "plugin/shared_object.hpp"
#include "plugin/stamp_check.hpp"

namespace fs = std::filesystem;

namespace ailab::plugin {
namespace {

struct stat file_status(const std::string& path) {
    struct stat about {};
    if (::stat(path.c_str(), &about) != 0)
        throw ConfigError(concat(path, " cannot be read: ", std::strerror(errno), "."));
    return about;
}

void warn_if_writable_by_all(const std::string& path, const std::string& shown) {
    if (file_status(path).st_mode & S_IWOTH)
        log_warning(shown,
                    " can be changed by every user of this machine, and its code runs with your "
                    "rights: chmod o-w ",
                    shown);
}

/// A descriptor shorter than ours lacks our newest fields; these must be there.
constexpr size_t descriptor_minimum = offsetof(Descriptor, shutdown);

std::string nonempty(const char* text) {
    return text ? text : "";
}

LoadedPlugin about_plugin(const std::string& path, const std::string& shown,
                          const Descriptor& descriptor) {
    LoadedPlugin about;
    about.name = nonempty(descriptor.name);
    about.version = nonempty(descriptor.version);
    about.doc = nonempty(descriptor.doc);
    about.path = shown;
    std::error_code error;
    about.builtin = fs::equivalent(fs::path(path).parent_path(), builtin_folder(), error);
    if (about.name.empty() || about.name.find('/') != std::string::npos)
        throw ConfigError(concat(shown, ": the name \"", about.name,
                                 "\" in AILAB_PLUGIN must be neither empty nor hold a slash."));
    return about;
}

std::shared_ptr<const ModuleEntry> make_entry(const LoadedPlugin& about, const ModuleNode& node) {
    auto entry = std::make_shared<ModuleEntry>();
    entry->kind = nonempty(node.kind);
    entry->name = nonempty(node.name);
    entry->doc = nonempty(node.doc);
    entry->origin = origin_text(about.path, nonempty(node.file), node.line);
    entry->plugin = about.name;
    entry->node = &node;
    entry->role = nonempty(node.role);
    return entry;
}

void check_module(const LoadedPlugin& about, const ModuleEntry& entry) {
    if (entry.name.empty() || entry.name.find('/') != std::string::npos)
        throw ConfigError(concat(about.path, ": the ", entry.kind, " name \"", entry.name,
                                 "\" must be neither empty nor hold a slash: ", entry.origin, "."));
}

std::vector<std::shared_ptr<const ModuleEntry>> read_modules(const LoadedPlugin& about,
                                                             const Descriptor& descriptor) {
    std::vector<std::shared_ptr<const ModuleEntry>> modules;
    std::map<std::pair<std::string, std::string>, std::shared_ptr<const ModuleEntry>> seen;
    for (const ModuleNode* node = *descriptor.modules; node; node = node->next)
        modules.push_back(make_entry(about, *node));
    // The list grows at its head; the sources' order reads better.
    std::reverse(modules.begin(), modules.end());
    for (const auto& entry : modules) {
        check_module(about, *entry);
        const auto [at, is_new] = seen.try_emplace({entry->kind, entry->name}, entry);
        if (!is_new)
            throw ConfigError(concat(about.path, " registers ", entry->kind, " \"", entry->name,
                                     "\" twice: ", at->second->origin, " and ", entry->origin,
                                     ". Rename one, or drop one of the two lines."));
    }
    if (modules.empty())
        log_warning(about.path,
                    " registers no modules. Add AILAB_REGISTER_MODEL(...) or one of its "
                    "siblings to a source of it.");
    return modules;
}

}  // namespace

FileId file_id(const std::string& path) {
    const struct stat about = file_status(path);
    return {about.st_dev, about.st_ino};
}

std::string origin_text(const std::string& path, const std::string& source, int line) {
    return concat(fs::path(path).filename().string(), " (", fs::path(source).filename().string(),
                  ":", line, ")");
}

ElfImage check_plugin(const std::string& path, const std::string& shown) {
    ElfImage image = read_elf_image(path, shown);
    check_stamp(shown, read_stamp(shown, image.stamp), host_stamp());
    return image;
}

OpenedPlugin open_plugin(const std::string& path, const std::string& shown) {
    const ElfImage image = check_plugin(path, shown);
    const Stamp stamp = read_stamp(shown, image.stamp);
    if (const std::string warning = stamp_warning(shown, stamp, host_stamp()); !warning.empty())
        log_warning(warning);
    warn_if_writable_by_all(path, shown);

    const Descriptor& descriptor = load_shared_object(path, shown);
    if (descriptor.size < descriptor_minimum)
        throw ConfigError(concat(shown, " has a damaged descriptor of ", descriptor.size,
                                 " bytes. Build it again."));
    OpenedPlugin opened;
    opened.about = about_plugin(path, shown, descriptor);
    opened.about.build_id = image.build_id;
    opened.modules = read_modules(opened.about, descriptor);
    if (descriptor.size >= sizeof(Descriptor)) opened.shutdown = descriptor.shutdown;
    return opened;
}

}  // namespace ailab::plugin
