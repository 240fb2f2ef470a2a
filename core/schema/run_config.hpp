#pragma once
// The whole configuration of a run, checked and with all defaults.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ailab/module_spec.hpp"
#include "pretrained.hpp"

namespace ailab {

struct DistConfig {
    std::string backend = "auto";
    std::string init_method = "env://";
    std::optional<int64_t> world_size;
    /// Seconds that a collective may take.
    double timeout = 1800;
    /// Ranks of several hosts that share no secret (AILAB_SECRET) are an error, not a warning.
    bool require_secret = false;
};

struct DataloaderConfig {
    std::optional<int64_t> batch_size;         // per rank; unset: 32
    std::optional<int64_t> global_batch_size;  // in place of batch_size; must divide by the world
    int64_t num_workers = -1;                  // threads; -1: chosen from the cores
    int64_t prefetch_factor = 2;               // batches made ready ahead
    bool drop_last = false;
    std::optional<bool> shuffle;  // unset: true for train, false otherwise
    bool pin_memory = true;
    bool persistent_workers = true;       // accepted; threads always persist
    ModuleSpec<Sampler> sampler;          // unset: DefaultSampler
    std::optional<std::string> on_error;  // skip or fail; unset: skip for train, fail otherwise
    /// Broken samples of an epoch that are left out before the run ends; unset: a tenth of the
    /// samples, at least 10.
    std::optional<int64_t> max_errors;
};

struct DataConfig {
    ModuleSpec<Dataset> train, val, test;
    DataloaderConfig train_dataloader, val_dataloader, test_dataloader;
};

/// What the host does around the user's model. Each is a line in the log.
struct RuntimeConfig {
    std::string device = "auto";        // auto, cpu, cuda
    std::string dtype = "float32";      // float32, float64
    std::string allocator = "caching";  // caching, system
    bool channels_last = true;
    int64_t threads = 0;  // compute threads a rank; 0: chosen from the cores
    double bucket_mb = 25;
    bool recompute = false;  // activations of blocks (ailab::block), in the backward pass
    bool deterministic = false;
    bool cudnn_benchmark = false;
};

/// Clipping of the whole batch's gradients, before the optimizer's step.
struct ClipConfig {
    std::optional<double> max_norm;  // of all gradients together
    double norm_type = 2;
    std::optional<double> max_value;  // of each number; after the norm
};

/// What the parameters that a pattern names have of their own.
struct ParamRule {
    // Those not given are as for the rule's parameter without the rule: of norms and biases what
    // ParamwiseConfig says, else 1.
    std::optional<double> lr_mult;
    std::optional<double> decay_mult;
    bool freeze = false;
};

/// Options of single parameters, with MMEngine's names.
struct ParamwiseConfig {
    double norm_decay_mult = 1;  // of norm layers' weights and biases
    double bias_decay_mult = 1;  // of other biases
    double bias_lr_mult = 1;
    /// By a regular expression over the parameter's name; of several that match the longest counts.
    std::map<std::string, ParamRule> custom_keys;
};

struct WorkflowStep {
    std::string phase;  // train, val, test
    int64_t epochs = 1;
    std::optional<int64_t> iters;  // in place of epochs
    Place place;
};

/// A regular expression over names of modules.
struct ModulePattern {
    std::string text;
    Place place;
};

struct NamedHook {
    std::string name;
    ModuleSpec<Hook> spec;
};

/// The model, and the weights that it begins with.
struct RunModel : ModuleSpec<Model> {
    std::optional<Pretrained> pretrained;
};

/// What predictions are; by name alone, or {type: …}.
struct RunTask : ModuleSpec<Task> {};

/// `ailab-run test`: the trained weights, and how each sample is looked at.
struct TestConfig {
    std::string checkpoint;          // see choose_checkpoint()
    std::string trained_in;          // the work_dir where `latest` and `best` are
    std::vector<std::string> views;  // flip, five_crops: the predictions' mean is taken
};

struct RunConfig {
    uint64_t seed = 0;
    std::string work_dir = "./work_dir";
    std::optional<std::string> resume_from;
    std::optional<std::string> load_from;
    std::vector<std::string> plugins;
    DistConfig dist;
    RunModel model;
    DataConfig data;
    ModuleSpec<Loss> loss;
    RunTask task;  // unset: chosen by the loss, see core/task/choose_task.hpp
    /// One with the name "", or one for each of the model's optimizer_names().
    std::vector<std::pair<std::string, ModuleSpec<Optimizer>>> optimizers;
    std::vector<WorkflowStep>
        workflow;  // default [[train, 1]], with data.val [[train, 1], [val, 1]]
    std::optional<int64_t> total_epochs;
    std::optional<int64_t> total_iters;
    std::vector<NamedHook> hooks;  // in the file's order
    RuntimeConfig runtime;
    int64_t accumulative_counts = 1;  // iterations a step
    ClipConfig clip_grad;
    ParamwiseConfig paramwise_cfg;
    std::vector<ModulePattern> norm_eval;
    int64_t val_interval = 1;  // rounds from one val phase to the next
    std::optional<int64_t> overfit_batches;
    /// `--dry-run`: two steps of each phase, everything inside a folder of its own.
    bool dry_run = false;
    /// Set when trained weights are tested and nothing is trained.
    std::optional<TestConfig> test;

    /// The tree that was read, with all defaults and without what the mode (a test, a dry run)
    /// changes: a valid input, with which the same command gives the same run.
    Node resolved;
    /// What the file itself held, to find the place of a later complaint.
    Node source;
};

/// What `ailab-run test` is to do.
struct TestRequest {
    std::string checkpoint;          // see choose_checkpoint()
    std::vector<std::string> views;  // see TestConfig
    std::string output;              // folder of what is written; "": <work_dir>/test
};

/// A configuration, and what is to be done with it: all that the command line says of it. Nothing
/// of a RunConfig is changed after load_config() has checked it.
struct ConfigInput {
    std::string path;
    std::vector<std::string> overrides;  // key=value
    std::vector<std::string> plugins;    // --plugins
    std::string work_dir;                // --work-dir, or ""
    std::string progress;                // --progress, or ""
    bool dry_run = false;                // --dry-run
    std::optional<TestRequest> test;     // in place of what the workflow says
    bool watched = false;                // there is a progress bar, unless a hook says otherwise
};

/// Reads, expands, overrides and checks, also what the mode changes. Loads the plugins that the
/// file and the command line name. Throws ConfigError with everything that is wrong.
RunConfig load_config(const ConfigInput& input);
/// The same for a text that was read from `source`; `input.path` is not read.
RunConfig parse_config(const std::string& text, const std::string& source,
                       const ConfigInput& input);

/// Where `data.train.root` was written; if it was not, the nearest map around it.
Place place_of(const Node& source, const std::string& dotted_path);

/// The keys of the configuration, sections as such.
OptionSchema run_config_schema();
/// Every key by its dotted path, those of sections in place of them.
std::vector<OptionField> describe_run_config();

}  // namespace ailab
