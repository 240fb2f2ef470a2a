#include "plugin/module_table.hpp"

#include <algorithm>

#include "ailab/error.hpp"
#include "config/utf8.hpp"

namespace ailab::plugin {

void ModuleTable::add(const std::vector<Entry>& entries) {
    entries_.insert(entries_.end(), entries.begin(), entries.end());
}

std::vector<ModuleTable::Entry> ModuleTable::find(const std::string& kind,
                                                  const std::string& name) const {
    std::vector<Entry> found;
    for (const Entry& entry : entries_)
        if (entry->kind == kind && entry->name == name) found.push_back(entry);
    return found;
}

std::vector<ModuleTable::Entry> ModuleTable::list(const std::string& kind) const {
    std::vector<Entry> found;
    for (const Entry& entry : entries_)
        if (kind.empty() || entry->kind == kind) found.push_back(entry);
    return found;
}

QualifiedName::QualifiedName(const std::string& text) {
    const size_t slash = text.find('/');
    if (slash != std::string::npos) plugin = text.substr(0, slash);
    name = slash == std::string::npos ? text : text.substr(slash + 1);
}

std::string ambiguous_name(const std::vector<ModuleEntry>& equals) {
    std::vector<std::string> origins;
    std::vector<std::string> names;
    for (const ModuleEntry& entry : equals) {
        origins.push_back(entry.origin);
        names.push_back(entry.plugin + "/" + entry.name);
    }
    return concat(equals.front().kind, " \"", equals.front().name, "\" is registered by ",
                  join(origins, " and by "), ". Write ", join(names, " or "),
                  ", or drop one plugin.");
}

std::string unknown_name(const std::string& kind, const std::string& name,
                         const std::vector<ModuleEntry>& known,
                         const std::vector<std::string>& loaded,
                         const std::vector<std::string>& not_loaded) {
    std::vector<std::string> of_kind;
    std::vector<std::string> other_kinds;
    for (const ModuleEntry& entry : known) {
        if (entry.kind == kind) of_kind.push_back(entry.name);
        if (entry.kind != kind && entry.name == QualifiedName(name).name)
            other_kinds.push_back(entry.kind);
    }
    std::sort(of_kind.begin(), of_kind.end());
    of_kind.erase(std::unique(of_kind.begin(), of_kind.end()), of_kind.end());
    std::string text = concat("unknown ", kind, " \"", name, "\"");
    if (!other_kinds.empty())
        text += concat(" (there is a ", join(other_kinds, " and a "), " of that name)");
    const std::string near = nearest_name(QualifiedName(name).name, of_kind);
    if (!near.empty())
        text += concat("; did you mean \"", near, "\"?");
    else
        text += ".";
    text += odd_character_note(name);
    text += of_kind.empty() ? concat(" There is no ", kind, " at all.")
                            : concat(" There are: ", join(of_kind), ".");
    if (!not_loaded.empty())
        return text + concat(" It may be in what could not be loaded: ", join(not_loaded), ".");
    text += loaded.empty() ? " No plugin is loaded: is --plugins missing?"
                           : concat(" Plugins loaded: ", join(loaded), ".");
    return text;
}

}  // namespace ailab::plugin
