#include "find_checkpoint.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>
#include <tuple>

#include "ailab/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/manifest.hpp"
#include "checkpoint/state_files.hpp"
#include "files/temporary_name.hpp"
#include "last_checkpoint.hpp"
#include "lineage.hpp"
#include "state_reader.hpp"

namespace ailab {

namespace fs = std::filesystem;

namespace {

/// Folders that are, or seem to be, checkpoints.
void collect(const fs::path& folder, std::set<fs::path>& found) {
    std::error_code none;  // a folder that is not there, or not readable, has none
    for (const auto& entry : fs::directory_iterator(folder, none)) {
        const std::string name = entry.path().filename();
        // Its writing was broken off, or is under way.
        if (is_temporary_name(name)) continue;
        const bool named =
            name.starts_with("epoch_") || name.starts_with("iter_") || name.starts_with("best_");
        if (entry.is_directory(none) &&
            (named || fs::exists(entry.path() / checkpoint_file::manifest, none)))
            found.insert(entry.path());
    }
}

/// Adds those of a folder that are not known under another path.
void collect_new(const fs::path& folder, std::set<fs::path>& found) {
    std::set<fs::path> there;
    collect(folder, there);
    std::error_code none;
    for (const fs::path& path : there)
        if (std::none_of(found.begin(), found.end(),
                         [&](const fs::path& known) { return fs::equivalent(path, known, none); }))
            found.insert(path);
}

/// The folder of the run that wrote the checkpoints in `folder`, as one of them tells; "" for none.
std::string run_folder_of(const fs::path& folder) {
    std::set<fs::path> checkpoints;
    collect(folder, checkpoints);
    for (const fs::path& path : checkpoints) {
        try {
            const Manifest manifest = read_manifest(path);
            if (const Node* run = manifest.facts.find("run_dir"); run && run->is_string())
                return run->as_string();
        } catch (const Error&) {
            // Whoever wants to use this one says what is wrong with it.
        }
    }
    return "";
}

struct Candidate {
    fs::path path;
    /// Nothing for one whose manifest cannot be used.
    std::optional<Lineage> lineage;
    int64_t saved_at = 0;
};

Candidate read_candidate(const fs::path& path) {
    Candidate candidate{path, std::nullopt};
    try {
        const Node facts = read_manifest(path).facts;
        if (const Node* saved = facts.find("saved_at"); saved && saved->is_int())
            candidate.saved_at = saved->as_int();
        candidate.lineage = lineage_of(facts, path);
    } catch (const std::exception&) {
        // Whoever tries it says why.
    }
    return candidate;
}

/// What was trained last comes first: the end of a branch, which has a checkpoint or has only
/// begun.
struct Tip {
    Lineage lineage;
    int64_t saved_at = 0;

    /// To be compared.
    auto age() const {
        const Branch& own = lineage.own();
        return std::tuple(own.order, own.order == 0 ? saved_at : 0, own.step);
    }
};

std::vector<Tip> tips_of(const std::vector<Candidate>& candidates,
                         const std::vector<Lineage>& starts) {
    std::vector<Tip> tips;
    for (const Lineage& start : starts) tips.push_back({start, 0});
    for (const Candidate& candidate : candidates) {
        if (!candidate.lineage) continue;
        tips.push_back({*candidate.lineage, candidate.saved_at});
        // In format 1 the clock says which run was the last, and the steps the order in it.
        Branch& own = tips.back().lineage.branches.back();
        if (own.order == 0) own.step = std::numeric_limits<int64_t>::max();
    }
    std::sort(tips.begin(), tips.end(),
              [](const Tip& a, const Tip& b) { return a.age() > b.age(); });
    return tips;
}

/// In the order in which they are to be tried: first those that say nothing of themselves, which
/// whoever tries them reports; then along the branch that was trained last, from its end back; then
/// along the others.
std::vector<Candidate> in_order(std::vector<Candidate> candidates,
                                const std::vector<Lineage>& starts) {
    std::vector<Candidate> ordered;
    const auto take = [&](const auto& wanted) {
        const auto rest = std::stable_partition(candidates.begin(), candidates.end(), wanted);
        const auto begun = std::ptrdiff_t(ordered.size());
        ordered.insert(ordered.end(), candidates.begin(), rest);
        candidates.erase(candidates.begin(), rest);
        std::sort(ordered.begin() + begun, ordered.end(),
                  [](const Candidate& a, const Candidate& b) {
                      const auto age = [](const Candidate& c) {
                          return c.lineage ? std::tuple(c.lineage->own().step,
                                                        c.lineage->own().order, c.saved_at)
                                           : std::tuple<int64_t, int64_t, int64_t>();
                      };
                      return std::tuple(age(a), a.path) > std::tuple(age(b), b.path);
                  });
    };
    const std::vector<Tip> tips = tips_of(candidates, starts);
    take([](const Candidate& candidate) { return !candidate.lineage; });
    for (const Tip& tip : tips)
        take([&](const Candidate& candidate) { return tip.lineage.holds(*candidate.lineage); });
    return ordered;
}

/// The number in a name such as epoch_3 or iter_40, with the word before it.
std::pair<std::string, int64_t> numbered(const fs::path& path) {
    const std::string name = path.filename();
    const size_t digits = name.find('_') + 1;
    int64_t number = -1;
    if (digits > 0) std::from_chars(name.data() + digits, name.data() + name.size(), number);
    return {name.substr(0, digits), number};
}

/// One that says nothing of itself is not worth a word where its name says that it is older.
bool is_older(const Candidate& candidate, const fs::path& found) {
    if (candidate.lineage || candidate.path.parent_path() != found.parent_path()) return false;
    const auto [word, number] = numbered(candidate.path);
    const auto [found_word, found_number] = numbered(found);
    return number >= 0 && word == found_word && number <= found_number;
}

FoundCheckpoint newest_of(const std::set<fs::path>& paths, const std::vector<Lineage>& starts) {
    std::vector<Candidate> candidates;
    for (const fs::path& path : paths) candidates.push_back(read_candidate(path));
    FoundCheckpoint found;
    std::vector<std::pair<Candidate, std::string>> skipped;
    for (const Candidate& candidate : in_order(std::move(candidates), starts)) {
        const std::string path = candidate.path.string();
        try {
            validate_checkpoint(path);
            found.path = path;
            break;
        } catch (const std::exception& error) {
            skipped.emplace_back(candidate, error.what());
        }
    }
    for (const auto& [candidate, why] : skipped)
        if (found.path.empty() || !is_older(candidate, found.path))
            found.skipped.push_back(concat(candidate.path.string(), ": ", why));
    return found;
}

}  // namespace

std::string without_latest(const std::string& path) {
    fs::path plain;
    for (const fs::path& part : fs::path(path)) {
        std::error_code none;
        const fs::path link = plain / part;
        const fs::path run = part == "latest" ? fs::read_symlink(link, none) : fs::path();
        plain /= run.empty() || run.is_absolute() || run.has_parent_path() ? part : run;
    }
    return plain.string();
}

std::string run_folder_in(const std::string& work_dir, const std::string& run_dir) {
    std::error_code none;
    const fs::path told = fs::absolute(without_latest(run_dir)).lexically_normal();
    if (fs::exists(told, none) && !fs::equivalent(told.parent_path(), work_dir, none)) return "";
    const fs::path here = fs::path(work_dir) / told.filename();
    return fs::exists(here / "config.yaml", none) ? here.string() : "";
}

FoundCheckpoint find_newest_checkpoint(const std::string& work_dir) {
    std::set<fs::path> candidates;
    std::vector<Lineage> starts;
    std::error_code none;
    for (const auto& run : fs::directory_iterator(work_dir, none)) {
        if (run.is_symlink(none)) continue;
        collect(run.path() / "checkpoints", candidates);
        if (const auto start = read_start(run.path().string())) starts.push_back(*start);
    }
    // A save_dir may lie elsewhere.
    const LastCheckpoint last =
        read_last_checkpoint((fs::path(work_dir) / "last_checkpoint").string());
    const fs::path save_dir = fs::path(last.meant).parent_path();
    std::string foreign, gone;
    if (!last.written.empty()) {
        const std::string run = last.inside ? "" : run_folder_of(save_dir);
        if (run.empty() || !run_folder_in(work_dir, run).empty())
            collect_new(save_dir, candidates);
        else
            foreign =
                concat(last.meant, ": the last_checkpoint of ", work_dir,
                       " names it, but it is of the run ", run,
                       ", outside of this work_dir; to go on from it, name it in resume_from");
        if (!fs::exists(last.meant, none))
            gone = concat(last.meant, ": last_checkpoint names it, and it is not there");
    }
    FoundCheckpoint found = newest_of(candidates, starts);
    found.exist = !candidates.empty() || !foreign.empty();
    for (const std::string& one : {foreign, gone})
        if (!one.empty()) found.skipped.push_back(one);
    return found;
}

LeftBehind find_left_behind(const std::string& checkpoint, const std::string& run_dir) {
    std::set<fs::path> candidates;
    collect(fs::path(checkpoint).parent_path(), candidates);
    collect_new(fs::path(run_dir) / "checkpoints", candidates);
    const Lineage taken = lineage_of(read_manifest(checkpoint).facts, checkpoint);
    LeftBehind left;
    for (const fs::path& path : candidates) {
        const Candidate candidate = read_candidate(path);
        if (!candidate.lineage || taken.holds(*candidate.lineage)) continue;
        left.names.push_back(path.filename());
        left.on_branch = left.on_branch || taken.is_before(*candidate.lineage);
    }
    return left;
}

std::string resolve_checkpoint(const std::string& given) {
    std::error_code none;
    const std::string path = without_latest(
        follow_last_checkpoint(given,
                               "a checkpoint's folder (…/checkpoints/epoch_1), a run's folder, a "
                               "last_checkpoint, or auto"));
    for (const char* part : {checkpoint_file::manifest, checkpoint_file::model})
        if (!fs::is_directory(path, none) || fs::exists(fs::path(path) / part, none)) return path;
    std::set<fs::path> candidates;
    collect(fs::path(path) / "checkpoints", candidates);
    collect(path, candidates);
    std::vector<Lineage> starts;
    for (const fs::path& run :
         {fs::path(path), fs::absolute(path).lexically_normal().parent_path()})
        if (const auto start = read_start(run.string())) starts.push_back(*start);
    const FoundCheckpoint found = newest_of(candidates, starts);
    if (found.path.empty())
        throw Error(
            concat(path, " is no checkpoint",
                   found.skipped.empty() ? " and holds none" : ": " + join(found.skipped, "; "),
                   fs::exists(fs::path(path) / "latest", none)
                       ? concat("; its newest run is ", (fs::path(path) / "latest").string())
                       : ""));
    return found.path;
}

}  // namespace ailab
