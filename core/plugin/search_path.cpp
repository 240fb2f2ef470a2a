#include "plugin/search_path.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "ailab/error.hpp"

namespace fs = std::filesystem;

namespace ailab::plugin {
namespace {

/// The lib folder of this ailab: where the library lies that holds this function.
fs::path library_folder() {
    Dl_info info{};
    std::error_code error;
    if (dladdr(reinterpret_cast<const void*>(&library_folder), &info) != 0 && info.dli_fname) {
        const fs::path file = fs::weakly_canonical(info.dli_fname, error);
        if (!error && file.filename() == "libailab_core.so") return file.parent_path();
    }
    // The core linked into a program (unit tests).
    const fs::path program = fs::read_symlink("/proc/self/exe", error);
    return program.parent_path().parent_path() / "lib";
}

/// The names under which a plugin may lie in a folder.
std::vector<std::string> file_names(const std::string& name) {
    if (name.find('/') != std::string::npos || name.ends_with(".so")) return {name};
    return {"lib" + name + ".so", name};
}

/// Those of $AILAB_PLUGIN_PATH.
std::vector<std::string> environment_folders() {
    const char* value = std::getenv("AILAB_PLUGIN_PATH");
    const std::string text = value ? value : "";
    std::vector<std::string> folders;
    for (size_t start = 0; start <= text.size();) {
        const size_t end = std::min(text.find(':', start), text.size());
        if (end > start) folders.push_back(text.substr(start, end - start));
        start = end + 1;
    }
    return folders;
}

class Search {
  public:
    explicit Search(const std::string& name) : names_(file_names(name)), bare_(names_.size() > 1) {}

    void in_folder(const fs::path& folder) {
        for (const std::string& name : names_) {
            if (found_) return;
            const fs::path candidate = folder.empty() ? fs::path(name) : folder / name;
            std::error_code error;
            // A bare "my" means no folder that happens to be called so.
            if (bare_ ? fs::is_regular_file(candidate, error) : fs::exists(candidate, error))
                found_ = candidate.string();
        }
        const std::string shown =
            (folder.empty() ? fs::path(".") / names_.front() : folder / names_.front()).string();
        note(shown);
    }

    void in_environment() {
        const char* value = std::getenv("AILAB_PLUGIN_PATH");
        if (!value || !*value) {
            note(value ? "$AILAB_PLUGIN_PATH (empty)" : "$AILAB_PLUGIN_PATH (unset)");
            return;
        }
        for (const std::string& folder : environment_folders()) in_folder(folder);
    }

    const std::optional<std::string>& found() const { return found_; }
    const std::vector<std::string>& tried() const { return tried_; }

  private:
    void note(const std::string& place) {
        if (std::find(tried_.begin(), tried_.end(), place) == tried_.end()) tried_.push_back(place);
    }

    std::vector<std::string> names_;
    bool bare_;
    std::optional<std::string> found_;
    std::vector<std::string> tried_;
};

}  // namespace

std::string builtin_folder() {
    return (library_folder() / "ailab" / "plugins").string();
}

std::string cmake_package_folder() {
    return (library_folder() / "cmake" / "ailab").string();
}

std::vector<std::string> installed_plugin_files(const std::string& file) {
    std::vector<std::string> folders = environment_folders(), found;
    folders.push_back(builtin_folder());
    for (const std::string& folder : folders) {
        const fs::path path = fs::path(folder) / file;
        std::error_code error;
        if (fs::is_regular_file(path, error)) found.push_back(path.string());
    }
    return found;
}

std::string find_plugin_file(const std::string& name, const std::vector<std::string>& folders) {
    if (name.empty()) throw ConfigError("a plugin's name is empty; give the path of a lib….so.");
    Search search(name);
    search.in_folder("");
    if (!fs::path(name).is_absolute()) {
        for (const std::string& folder : folders) search.in_folder(folder);
        search.in_environment();
        search.in_folder(builtin_folder());
    }
    if (search.found()) return *search.found();
    if (fs::path(name).is_absolute())
        throw ConfigError(concat("plugin ", name,
                                 " was not found. Check the path, and that its "
                                 "build has finished."));
    throw ConfigError(concat("plugin ", name, " was not found; looked for ", join(search.tried()),
                             ". Give the path of the file, or add its folder to "
                             "AILAB_PLUGIN_PATH."));
}

}  // namespace ailab::plugin
