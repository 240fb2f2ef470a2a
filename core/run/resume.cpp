#include "resume.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>

#include "ailab/log.hpp"
#include "checkpoint/manifest.hpp"
#include "config/options_reader.hpp"
#include "config_changes.hpp"
#include "data/transform_list.hpp"
#include "host/error_context.hpp"
#include "modules.hpp"
#include "plugin/plugin_host.hpp"
#include "schema/common_keys.hpp"
#include "schema/run_checks.hpp"
#include "work_dir/find_checkpoint.hpp"
#include "work_dir/saved_config.hpp"
#include "work_dir/state_reader.hpp"

namespace ailab {

namespace fs = std::filesystem;

namespace {

constexpr const char* automatic = "auto";

// How rank 0's outcome begins when it is an error, and when it is the configuration's.
constexpr char failed = '!', misnamed = '?';

/// Where the checkpoint was named: at the top of the configuration, or in a hook.
Place named_at(const RunConfig& config) {
    if (config.resume_from) return place_of(config.source, "resume_from");
    for (const NamedHook& hook : config.hooks) {
        const std::string key = concat("hooks.", hook.name, ".resume_from");
        if (is_given(config.source, key)) return place_of(config.source, key);
    }
    return place_of(config.source, "hooks");
}

/// A path that is wrong is the configuration's mistake, a checkpoint that is damaged is not.
std::string named_checkpoint(const std::string& given) {
    std::string path;
    try {
        path = resolve_checkpoint(given);
    } catch (const Error& error) {
        throw ConfigError(std::string(error.what()));
    }
    if (fs::is_directory(path)) validate_checkpoint(path);
    return path;
}

/// Rank 0 looks; all learn. "" when there is none to go on from.
std::string checkpoint_of_plan(const ResumePlan& plan, const RunConfig& config, Job& job) {
    std::string outcome;
    if (job.rank() == 0) {
        try {
            if (plan.from == automatic) {
                const FoundCheckpoint found = find_newest_checkpoint(config.work_dir);
                for (const std::string& skipped : found.skipped)
                    log_warning("resume_from auto passes over ", skipped);
                if (found.path.empty() && found.exist)
                    throw Error(
                        concat("resume_from auto: none of the checkpoints in ", config.work_dir,
                               " can be used (see above). Start afresh in another work_dir, "
                               "or without resume_from"));
                if (found.path.empty())
                    log_info("resume_from auto: there is no checkpoint in ", config.work_dir,
                             " yet, a fresh run begins");
                outcome = found.path;
            } else {
                outcome = named_checkpoint(plan.from);
            }
        } catch (const ConfigError& error) {
            outcome = concat(misnamed, error.what());
        } catch (const std::exception& error) {
            outcome = concat(failed, error.what());
        }
    }
    outcome = job.broadcast_text(outcome);
    if (outcome.starts_with(failed)) throw Error(outcome.substr(1));
    if (outcome.starts_with(misnamed))
        throw ConfigError({{named_at(config), "resume_from: " + outcome.substr(1)}});
    return outcome;
}

/// The run's folder, if it lies in this work_dir.
std::string folder_of(const std::string& checkpoint, const Node& facts, const RunConfig& config) {
    const std::string around = fs::absolute(checkpoint).parent_path().parent_path().string();
    const std::string folder = run_folder_in(config.work_dir, around);
    const Node* told = facts.find("run_dir");
    if (!folder.empty() || !told || !told->is_string()) return folder;
    return run_folder_in(config.work_dir, told->as_string());
}

/// What becomes of a change that the run can bear.
std::string describe(const ConfigChange& change, const ResumePlan& plan) {
    using Rate = ResumePlan::LearningRate;
    switch (change.kept) {
        case Kept::nothing:
            break;
        case Kept::learning_rate:
            if (plan.learning_rate == Rate::number)
                return concat(change.str(), "; resume_lr sets it to ", plan.number);
            if (plan.learning_rate == Rate::initial) break;
            return concat(change.str(),
                          "; the checkpoint's is kept; see resume_lr of ResumeHook: initial takes "
                          "the new one");
        case Kept::value:
            return change.str() + "; the checkpoint's is kept";
        case Kept::first_value:
            return change.str() + "; of these the checkpoint's first is kept";
    }
    return change.str();
}

/// Whether the module of data.train takes an option; a plugin that was rebuilt may not any more.
bool takes_option(const RunConfig& config, const std::string& name) {
    CommonKeys common;
    common.kind = kind_name<Dataset>;
    const OptionNames taken = option_names([&](OptionVisitor& v) {
        config.data.train.config.options->visit(v);
        common.visit(v);
    });
    return taken.rest ||
           std::find(taken.names.begin(), taken.names.end(), name) != taken.names.end();
}

/// Why a change that a resume cannot bear as a rule does no harm here; or "".
std::string harmless(const ConfigChange& change, const RunConfig& config) {
    const std::string data = "data.train.";
    const std::string name =
        change.key.starts_with(data) ? change.key.substr(data.size()) : std::string();
    if (change.option_went && config.data.train && !name.empty() &&
        name.find('.') == std::string::npos && !takes_option(config, name))
        return "; the module has no such option any more";
    if (change.option_came && !is_given(config.source, change.key))
        return " by default; the module had no such option then";
    if (change.moved) return "; the same data are expected there";
    return "";
}

constexpr const char* transforms_key = "data.train.transforms";

const Node* listed_transforms(const Node& config) {
    const Node* node = &config;
    for (const char* key : {"data", "train", "transforms"})
        if (!node || !(node = node->find(key))) return nullptr;
    return node->is_list() ? node : nullptr;
}

std::string refusal(const ConfigChange& change, const Resume& resume) {
    return concat(change.str(), ": the run in ", resume.path,
                  " cannot go on with it. Set it back, or start a new run from the weights with "
                  "load_from");
}

void check_config(Resume& resume, const RunConfig& config) {
    const Node before = read_saved_config(resume.checkpoint.manifest,
                                          resume.path + "/manifest.json", config.resolved);
    if (before.is_null()) return;
    Problems refused;
    resume.changes = compare_configs(before, config.resolved);
    resume.batch_changed = false;
    for_each_difference(before, config.resolved,
                        [&](const std::string& key, const Node*, const Node*) {
                            if (key == "data.train_dataloader.batch_size" ||
                                key == "data.train_dataloader.global_batch_size")
                                resume.batch_changed = true;
                        });
    for (const ConfigChange& change : resume.changes) {
        if (change.key == transforms_key) {
            const Node* earlier = listed_transforms(before);
            if (!earlier || !listed_transforms(config.resolved)) {
                resume.transforms_change = change;
                resume.transforms_before = earlier ? *earlier : Node();
                continue;
            }
        }
        const std::string excuse = change.refused ? harmless(change, config) : "";
        if (change.refused && excuse.empty())
            refused.add(place_of(config.source, change.key), refusal(change, resume));
        else
            log_info("resume: ", describe(change, resume.plan), excuse);
    }
    refused.check();
}

/// A plugin that was built anew goes on where the old one stopped.
void tell_rebuilt_plugins(const Node& facts) {
    const Node* plugins = facts.find("plugins");
    if (!plugins || !plugins->is_list()) return;
    for (const Node& entry : plugins->items()) {
        const StateReader before(entry);
        const std::string name = before.at("name").as_string();
        const std::string build = before.at("build_id").as_string();
        for (const LoadedPlugin& now : PluginHost::instance().loaded())
            if (now.name == name && now.build_id != build)
                log_info("resume: the plugin ", name, " was built anew since (",
                         before.at("version").as_string(), ", build ", build.substr(0, 12),
                         "; now ", now.version, ", build ", now.build_id.substr(0, 12),
                         "): the run goes on with the one of now");
    }
}

void check_batch(Resume& resume, const RunConfig& config, Job& job) {
    if (!config.data.train) return;
    const StateReader run(resume.checkpoint.run.values);
    resume.global_batch_size = run.integer("global_batch_size");
    const int64_t configured = global_batch_size(config, job.world_size());
    const Place place = place_of(config.source, "data.train_dataloader");
    if (configured == resume.global_batch_size) return;
    const bool per_rank = !config.data.train_dataloader.global_batch_size;
    // The run may have been begun by other ranks than those that wrote the checkpoint.
    if (!per_rank || (resume.same_world() && resume.batch_changed))
        throw ConfigError({{place, concat("a step takes ", configured,
                                          " samples over all ranks, and "
                                          "took ",
                                          resume.global_batch_size, " in ", resume.path,
                                          ". Set it back, or start a new run from the weights with "
                                          "load_from")}});
    if (resume.global_batch_size % job.world_size() != 0)
        throw ConfigError(
            {{place, concat("the run in ", resume.path, " takes ", resume.global_batch_size,
                            " samples a step over all ranks, "
                            "which does not divide by the ",
                            job.world_size(), " ranks; start another number of ranks")}});
    log_info("resume with ", job.world_size(), " ranks",
             resume.same_world() ? "" : concat(" in place of ", resume.world_size),
             ": a step takes ", resume.global_batch_size, " samples over all ranks as before, ",
             resume.global_batch_size / job.world_size(), " a rank");
}

}  // namespace

std::optional<Resume> prepare_resume(const ResumePlan& plan, const RunConfig& config, Job& job) {
    if (plan.from.empty()) return std::nullopt;
    Resume resume;
    resume.plan = plan;
    resume.path = checkpoint_of_plan(plan, config, job);
    if (resume.path.empty()) return std::nullopt;
    if (!fs::is_directory(resume.path)) {
        try {
            resume.original = read_original_checkpoint(resume.path);
        } catch (const Error& error) {
            throw ConfigError({{named_at(config), concat("resume_from: ", error.what())}});
        }
        return resume;
    }
    try {
        resume.checkpoint = read_checkpoint(resume.path, job.rank());
        resume.age_note = read_manifest(resume.path).age_note();
        resume.world_size = int(StateReader(resume.checkpoint.manifest).integer("world_size"));
        resume.same_ranks = resume.world_size == job.world_size();
        if (resume.same_ranks)
            resume.rank_states = {resume.checkpoint.rank};
        else if (job.rank() == 0)
            for (int rank = 0; rank < resume.world_size; ++rank)
                resume.rank_states.push_back(read_rank_state(resume.path, rank));
    } catch (...) {
        rethrow_with(concat("resume from ", resume.path));
    }
    check_config(resume, config);
    if (const std::string note = resume.age_note; !note.empty())
        log_info("resume: ", resume.path, ": ", note);
    tell_rebuilt_plugins(resume.checkpoint.manifest);
    check_batch(resume, config, job);
    resume.run_dir = folder_of(resume.path, resume.checkpoint.manifest, config);
    return resume;
}

void check_transforms(const Resume& resume, const RunConfig& config, const Dataset& train) {
    if (!resume.transforms_change) return;
    const Node by_default = transforms_by_default(train, config.data.train.config);
    const Node* now = listed_transforms(config.resolved);
    const Node& before = resume.transforms_before.is_list() ? resume.transforms_before : by_default;
    const ConfigChange& change = *resume.transforms_change;
    if (before.flow() != (now ? *now : by_default).flow())
        throw ConfigError({{place_of(config.source, change.key), refusal(change, resume)}});
    log_info("resume: ", change.str(), "; these are what the data set takes by default");
}

}  // namespace ailab
