#include "checkpoint_choice.hpp"

#include <filesystem>

#include "ailab/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/manifest.hpp"
#include "checkpoint/state_files.hpp"
#include "find_checkpoint.hpp"
#include "lineage.hpp"
#include "weights/load_weights.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

std::string newest(const std::string& work_dir) {
    const FoundCheckpoint found = find_newest_checkpoint(work_dir);
    if (!found.path.empty()) return found.path;
    throw Error(
        found.exist
            ? concat("no checkpoint of ", work_dir, " is valid: ", join(found.skipped, "; "))
            : concat("there is no checkpoint in ", work_dir, "; train first, or give a path"));
}

/// The best one of those that led to the newest.
std::string best(const std::string& work_dir) {
    const std::string last = newest(work_dir);
    const Lineage lineage = lineage_of(read_manifest(last).facts, last);
    const std::string folder = fs::path(last).parent_path().string();
    std::vector<std::string> found, left_behind;
    for (const auto& entry : fs::directory_iterator(folder)) {
        const std::string path = entry.path().string();
        if (!entry.path().filename().string().starts_with("best_") ||
            !fs::exists(entry.path() / checkpoint_file::manifest))
            continue;
        const bool leads_there = lineage.holds(lineage_of(read_manifest(path).facts, path));
        (leads_there ? found : left_behind).push_back(path);
    }
    if (found.size() == 1) return found[0];
    if (!found.empty())
        throw Error(concat("there are several best checkpoints: ", join(found), "; name one"));
    if (!left_behind.empty())
        throw Error(concat("there is no best checkpoint on the way to ", last, "; ",
                           join(left_behind),
                           " is of a branch that was left behind: name it, if it is meant"));
    throw Error(concat("there is no best checkpoint in ", folder,
                       "; give CheckpointHook save_best when you train, or another checkpoint"));
}

}  // namespace

std::string choose_checkpoint(const std::string& given, const std::string& work_dir) {
    if (given == "latest") return newest(work_dir);
    if (given == "best") return best(work_dir);
    std::error_code ignored;
    if (!fs::exists(given, ignored))
        throw Error(
            concat("the checkpoint ", given,
                   " does not exist; give latest, best, a checkpoint's or a run's folder, a "
                   ".safetensors or a .pth file"));
    return resolve_checkpoint(given);
}

std::string find_checkpoint_of(const std::string& given, const std::string& work_dir) {
    std::error_code ignored;
    const fs::path path = fs::path(given).lexically_normal();
    const std::string word = path.filename().string();
    if ((word != "latest" && word != "best") || fs::exists(given, ignored))
        return resolve_checkpoint(given);
    return choose_checkpoint(word, path.has_parent_path() ? path.parent_path().string() : work_dir);
}

std::string load_trained_weights(torch::nn::Module& model, const std::string& path) {
    const bool folder = fs::is_directory(path);
    if (folder) validate_checkpoint(path);
    LoadedWeights loaded;
    try {
        loaded = load_weights(model, path);
    } catch (const Error& error) {
        const std::string text = error.what();
        const std::string key = "load_from: ";
        throw Error(text.starts_with(key) ? text.substr(key.size()) : text);
    }
    if (!loaded.unmatched.empty())
        throw Error(concat(path, " does not fit the model: ", join(loaded.unmatched, "; "),
                           loaded.advice.empty() ? "" : "; " + loaded.advice,
                           ". Give the configuration that it was trained with"));
    if (!folder) return loaded.summary;
    const Manifest manifest = read_manifest(path);
    if (const std::string note = manifest.age_note(); !note.empty())
        loaded.summary += concat("; ", note);
    return loaded.summary;
}

}  // namespace ailab
