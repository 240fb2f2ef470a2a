#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ailab/hook.hpp"
#include "checkpoint/class_names.hpp"
#include "data/loader.hpp"
#include "distributed/job.hpp"
#include "host/threads.hpp"
#include "param_groups.hpp"
#include "schema/run_config.hpp"
#include "step/parameter_update.hpp"
#include "task/choose_task.hpp"

namespace ailab {

/// One phase's data.
struct PhaseData {
    std::shared_ptr<Dataset> dataset;
    std::unique_ptr<Loader> loader;
    bool pads = false;  // a field of the batches
};

/// Everything that a configuration names, made and checked against each other.
struct Modules {
    std::shared_ptr<Model> model;
    std::shared_ptr<Loss> loss;
    std::shared_ptr<const Task> task;  // once it was asked for, see task_of()
    Node trained_task;                 // of what is tested, see trained_task()
    /// By the optimizer's name; one has the name "".
    std::map<std::string, std::unique_ptr<ParameterUpdate>> updates;
    std::map<std::string, std::shared_ptr<Optimizer>> optimizers;
    std::map<Phase, PhaseData> data;
    /// In the order in which they run.
    std::vector<std::shared_ptr<Hook>> hooks;
    std::vector<std::string> hook_names;
    StepPlan step;
    /// What is known of the run: its phases, their fields and results.
    RunPlan plan;
    /// What a checkpoint keeps of the data: the classes of data.train, and of each phase the
    /// digest.
    ClassFacts classes;
    Node data_facts = Node::map();
    FrozenNorms frozen_norms;
    /// One line each, for the log: what the host does around the model.
    std::vector<std::string> notes;
};

struct BuildInput {
    const RunConfig& config;
    Job& job;
    Device& device;
    c10::Device torch_device;
    ThreadPlan threads;
    /// Training samples a step takes over all ranks.
    int64_t global_batch_size = 0;
    /// The weights will come from a checkpoint.
    bool resumes = false;
    /// Of a test: what choose_checkpoint() has found.
    std::string trained_weights = {};
};

/// The hooks that are enabled, in the order in which they run.
struct Hooks {
    std::vector<std::shared_ptr<Hook>> hooks;
    std::vector<std::string> names;
};
Hooks make_hooks(const RunConfig& config);

/// Makes all modules. Collective: weights come from rank 0. Throws ConfigError with everything that
/// does not fit together, Error when a module cannot be made.
Modules build_modules(const BuildInput& input, Hooks hooks);

/// What the model's predictions are; `dataset` is the evaluated one. Where neither the
/// configuration nor the loss nor classes of the data tell, one of its samples may. Throws
/// ConfigError.
ChosenTask task_of(const RunConfig& config, const Modules& modules, const Dataset& dataset,
                   bool by_samples = true);

/// Asks the loss and the hooks for the results of each phase, anew where first batches have told
/// more.
void plan_results(Modules& modules, const RunConfig& config);

/// The training batch over all ranks. Throws ConfigError when it does not divide.
int64_t global_batch_size(const RunConfig& config, int world_size);

}  // namespace ailab
