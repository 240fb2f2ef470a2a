// What a checkpoint of a run holds, and how a run takes it over.
#include <ATen/ATen.h>

#include <ctime>
#include <filesystem>

#include "ailab/log.hpp"
#include "checkpoint/safetensors.hpp"
#include "class_agreement.hpp"
#include "compare_data.hpp"
#include "distributed/store_comm.hpp"
#include "host/error_context.hpp"
#include "plugin/plugin_host.hpp"
#include "resume_groups.hpp"
#include "runner.hpp"
#include "step/parameters.hpp"
#include "weights/load_weights.hpp"
#include "work_dir/saved_config.hpp"
#include "work_dir/state_reader.hpp"

namespace ailab {

namespace {

std::string optimizer_key(const std::string& name) {
    return name.empty() ? "optimizer" : "optimizer." + name;
}

/// Of the groups' settings, beside what the optimizer itself saves.
constexpr const char* groups_key = "groups";
/// Among a manifest's facts.
constexpr const char* data_key = "data";

/// The user's, in which build.
Node user_plugins() {
    Node list = Node::list();
    for (const LoadedPlugin& plugin : PluginHost::instance().loaded()) {
        if (plugin.builtin) continue;
        Node entry = Node::map();
        entry.set("name", Node::string(plugin.name));
        entry.set("version", Node::string(plugin.version));
        entry.set("build_id", Node::string(plugin.build_id));
        list.items().push_back(std::move(entry));
    }
    return list;
}

/// The tensors and values under "<name>/", without it.
State part_of(const State& whole, const std::string& name) {
    State part;
    for (const auto& [key, tensor] : whole.tensors)
        if (key.starts_with(name + "/")) part.tensors[key.substr(name.size() + 1)] = tensor;
    if (const Node* values = whole.values.find(name)) part.values = *values;
    return part;
}

void put_part(State& whole, const std::string& name, const State& part) {
    if (!part.rank_tensors.empty() || !part.shards.empty())
        throw Error(concat(name, ": what save_rank_state() returns is the rank's own as it is: it ",
                           "has no rank_tensors and no shards"));
    for (const auto& [key, tensor] : part.tensors) whole.tensors[name + "/" + key] = tensor;
    whole.values.set(name, part.values);
}

/// `state`: what `saved` has of it. Its shards are read as this rank wants them now.
void load_saved(Stateful& module, const std::string& key, State state, const Checkpoint& saved) {
    if (saved.shards.has(key)) saved.shards.read(key, module.save_state(), state);
    module.load_state(state);
}

void copy_named(const std::string& what, const std::string& prefix, const State& state,
                const std::string& name, const Tensor& to) {
    const auto found = state.tensors.find(prefix + name);
    if (found == state.tensors.end() || found->second.sizes() != to.sizes())
        throw Error(concat("the checkpoint's ", what, " does not fit: \"", name, "\" ",
                           found == state.tensors.end() ? "is missing" : "has another shape"));
    to.detach().copy_(found->second);
}

/// The names in the order in which a torch optimizer numbers its parameters: through all groups. If
/// it has several, they must be those of this run.
std::vector<std::string> names_by_groups(const TorchOptimizerState& saved,
                                         ParameterUpdate& update) {
    std::vector<std::string> names;
    if (saved.groups.size() == 1) {
        for (const NamedParameter& parameter : update.parameters()) names.push_back(parameter.name);
        return names;
    }
    const std::vector<ParamGroup>& groups = update.optimizer().groups();
    const auto sizes = [](const auto& list, auto parameters) {
        std::vector<std::string> result;
        for (const auto& group : list) result.push_back(std::to_string((group.*parameters).size()));
        return join(result);
    };
    const std::string then = sizes(saved.groups, &TorchOptimizerState::Group::parameters);
    const std::string now = sizes(groups, &ParamGroup::names);
    if (then != now)
        throw Error(concat("its optimizer has groups of ", then,
                           " parameters, the configuration makes groups of ", now,
                           "; give paramwise_cfg as it was, or take the weights alone with "
                           "load_from"));
    for (const ParamGroup& group : groups)
        names.insert(names.end(), group.names.begin(), group.names.end());
    return names;
}

}  // namespace

// ---- saving

Checkpoint Runner::gather_state() {
    Checkpoint checkpoint;
    checkpoint.model = weights_of(*modules_.model);

    checkpoint.modules["model"] = modules_.model->save_state();
    if (modules_.loss) {
        State state = modules_.loss->save_state();
        for (const auto& item : modules_.loss->named_parameters())
            state.tensors["param/" + item.key()] = item.value().detach();
        for (const auto& item : modules_.loss->named_buffers())
            state.tensors["buffer/" + item.key()] = item.value().detach();
        checkpoint.modules["loss"] = std::move(state);
    }
    for (const auto& [name, optimizer] : modules_.optimizers) {
        State state = optimizer->save_state();
        state.values.set(groups_key, save_groups(optimizer->groups()));
        checkpoint.modules[optimizer_key(name)] = std::move(state);
    }
    if (LossScaler* scaler = step_.scaler())
        checkpoint.modules["loss_scaler"] = scaler->save_state();
    hooks_.each("save_state", [&](Hook& hook, const std::string& key) {
        checkpoint.modules[key] = hook.save_state();
    });

    workflow_.save(checkpoint.run.values);
    run_state().save(checkpoint.run.values);
    checkpoint.rank = rank_state();

    Node& facts = checkpoint.manifest;
    facts.set("epoch", Node(workflow_.position().epoch));
    facts.set("step", Node(workflow_.position().step));
    facts.set("model", Node::string(config_.model.type()));
    facts.set("saved_at", Node(int64_t(time(nullptr))));
    facts.set("run_dir", Node::string(run_dir_));
    save_config(config_.resolved, facts);
    facts.set("plugins", user_plugins());
    if (!lineage_.branches.empty()) {
        lineage_ = next_on_branch(std::move(lineage_), workflow_.position().step, config_.work_dir,
                                  newest_checkpoint_);
        facts.set("branch", lineage_node(lineage_));
    }
    if (modules_.data.count(Phase::train)) put_classes(facts, modules_.classes);
    if (config_.task) facts.set(task_key, config_.task.config.write());
    facts.set(data_key, modules_.data_facts);
    hooks_.each("export_weights", [&](Hook& hook, const std::string& key) {
        if (!hook.export_weights().empty()) facts.set("exported_by", Node::string(key));
    });
    return checkpoint;
}

namespace {

DataPosition data_position(const Loader& loader) {
    const BatchPlan& plan = loader.plan();
    DataPosition position{.epoch = loader.epoch(),
                          .samples_assigned = loader.iteration() * plan.batch_size,
                          .samples = plan.samples,
                          .global_batch_size = plan.batch_size};
    if (!plan.own_batches) return position;
    position.batches_assigned = loader.iteration();
    position.batches = *plan.own_batches;
    return position;
}

/// The iteration of the epoch with which the saved run goes on. Throws Error when the batches would
/// be others.
int64_t resumed_iteration(const DataPosition& saved, const BatchPlan& plan) {
    constexpr const char* remedy =
        "Give data.train and its sampler as they were, or start a new run from the weights with "
        "load_from";
    if (saved.samples != plan.samples)
        throw Error(
            concat("an epoch had ", saved.samples, " samples and has ", plan.samples,
                   " now: the order of samples would not be the same. Give data.train as it "
                   "was, or start a new run from the weights with load_from"));
    if ((saved.batches >= 0) != plan.own_batches.has_value())
        throw Error(concat("its batches were ",
                           plan.own_batches ? "cut from an order of samples, and the sampler now "
                                              "forms them itself. "
                                            : "formed by its sampler, and are now cut from an "
                                              "order of samples. ",
                           remedy));
    if (!plan.own_batches) return saved.samples_assigned / plan.batch_size;
    if (saved.global_batch_size != plan.batch_size || saved.batches != *plan.own_batches)
        throw Error(concat("its sampler formed ", saved.batches, " batches an epoch of ",
                           saved.global_batch_size, " samples over all ranks, and would now form ",
                           *plan.own_batches, " of ", plan.batch_size,
                           ": the place in the epoch is a number of batches. ", remedy));
    return saved.batches_assigned;
}

}  // namespace

RunState Runner::run_state() const {
    RunState state{.seed = int64_t(config_.seed),
                   .trained_epoch = progress_.epoch,
                   .train_seconds = train_seconds_,
                   .train_samples = train_samples_,
                   .loss_unit = step_.loss_unit(),
                   .results = results_};
    for (const auto& [phase, data] : modules_.data) {
        const Loader& loader = *data.loader;
        if (phase != Phase::train)
            state.evaluated[phase] = loader.epoch();
        else
            state.data = data_position(loader);
    }
    return state;
}

State Runner::rank_state() const {
    State rank;
    // The generator is seeded for each step from (seed, step, rank); its state is kept all the
    // same, for hooks and models that draw between steps.
    rank.tensors["generator"] = device_.rng_state();
    Node windows = Node::map();
    for (const auto& [key, window] : named_windows_) windows.set(key, window->save());
    rank.values.set("windows", std::move(windows));
    hooks_.each("save_rank_state", [&](Hook& hook, const std::string& key) {
        put_part(rank, key, hook.save_rank_state());
    });
    return rank;
}

void Runner::save_checkpoint(const std::string& path) {
    hooks_.each("before_save_checkpoint",
                [&](Hook& hook, const std::string&) { hook.before_save_checkpoint(*this, path); });
    const EvaluationWeights::Aside own(evaluation_weights_);
    job_.doing("saving a checkpoint");
    broadcast_buffers();
    writer_.write(path, config_.work_dir + "/last_checkpoint", gather_state(),
                  make_store_comm(job_, concat("checkpoint-", checkpoints_++)));
    dist::note_checkpoint(path);
    newest_checkpoint_ = path;
    saved_step_ = workflow_.position().step;
}

void Runner::save_weights(const std::string& path) {
    job_.doing("saving weights");
    broadcast_buffers();
    NamedTensors weights;
    for (const auto& hook : hooks_.all()) {
        const std::map<std::string, Tensor> averages = hook->export_weights();
        if (averages.empty()) continue;
        weights.assign(averages.begin(), averages.end());
        break;
    }
    if (weights.empty()) weights = weights_of(*modules_.model);
    writer_.write_weights(path, weights, modules_.classes,
                          make_store_comm(job_, concat("weights-", checkpoints_++)));
}

/// What no checkpoint can hold is said before there is anything to lose. (Of the model's own
/// tensors build_modules() says it.)
void Runner::check_savable() {
    if (config_.test || modules_.data.count(Phase::train) == 0) return;
    try {
        check_states(gather_state());
    } catch (const Error& error) {
        throw Error(concat("the run cannot be saved: ", error.what(),
                           ", and so no checkpoint can. Keep it in another form, or out of the "
                           "state"));
    }
}

// ---- taking over

void Runner::restore(const Resume& resume) {
    resumed_from_ = resume.path;
    newest_checkpoint_ = resume.path;
    dist::note_checkpoint(resume.path);
    try {
        restore_modules(resume);
        if (resume.original) {
            progress_.epoch = resume.original->epoch;
            workflow_.skip_epochs(progress_.epoch);
            if (const auto train = modules_.data.find(Phase::train); train != modules_.data.end())
                train->second.loader->seek(progress_.epoch, 0);
        } else {
            const Node& facts = resume.checkpoint.manifest;
            check_resumed_classes(classes_in(facts), modules_.classes);
            if (const Node* data = facts.find(data_key); data && job_.rank() == 0)
                tell_changed_data(*data, modules_.data_facts);
            restore_position(resume.checkpoint.run);
            restore_ranks(resume);
        }
    } catch (...) {
        rethrow_with(concat("resume from ", resume.path));
    }
    progress_.step = workflow_.position().step;
    progress_.train_iter = workflow_.position().train_iter;
    saved_step_ = workflow_.position().step;
}

void Runner::restore_modules(const Resume& resume) {
    const at::NoGradGuard no_grad;
    const Checkpoint& saved = resume.checkpoint;
    if (resume.original) return restore_original(resume);
    try {
        copy_weights(*modules_.model, saved.model, resume.path);
    } catch (const Error& error) {
        throw ConfigError({{config_.model.config.place, concat("resume from ", error.what())}});
    }
    const auto state_of = [&](const std::string& key) -> const State* {
        const auto found = saved.modules.find(key);
        return found == saved.modules.end() ? nullptr : &found->second;
    };
    if (const State* state = state_of("model")) load_saved(*modules_.model, "model", *state, saved);
    if (const State* state = state_of("loss"); state && modules_.loss) {
        State own = *state;
        std::erase_if(own.tensors, [](const auto& entry) {
            return entry.first.starts_with("param/") || entry.first.starts_with("buffer/");
        });
        load_saved(*modules_.loss, "loss", std::move(own), saved);
        for (const auto& item : modules_.loss->named_parameters())
            copy_named("loss", "param/", *state, item.key(), item.value());
        for (const auto& item : modules_.loss->named_buffers())
            copy_named("loss", "buffer/", *state, item.key(), item.value());
    }
    for (auto& [name, update] : modules_.updates) {
        const State* state = state_of(optimizer_key(name));
        if (!state) throw Error(concat("it has no state of the ", optimizer_key(name)));
        restore_optimizer(name, *state, resume);
    }
    if (LossScaler* scaler = step_.scaler()) {
        if (const State* state = state_of("loss_scaler"))
            scaler->load_state(*state);
        else
            log_warning("the checkpoint was written without float16: the loss's scale starts anew");
    }
    hooks_.each("load_state", [&](Hook& hook, const std::string& key) {
        if (const State* state = state_of(key)) load_saved(hook, key, *state, saved);
    });
}

void Runner::restore_optimizer(const std::string& name, const State& saved, const Resume& resume) {
    ParameterUpdate& update = *modules_.updates.at(name);
    Optimizer& optimizer = update.optimizer();
    std::vector<std::string> told;
    State state = with_owners(saved, update.parameters(), told);
    for (const std::string& line : told) log_info("resume: ", line);
    ResumedGroups resumed = resume_groups(state.values.find(groups_key),
                                          {.path = resume.path,
                                           .optimizer = optimizer,
                                           .parameters = update.parameters(),
                                           .trained = {*modules_.model, modules_.loss.get()},
                                           .config = config_,
                                           .changes = resume.changes,
                                           .plan = resume.plan});
    for (const std::string& note : resumed.notes) log_info("resume: ", note);
    optimizer.groups() = std::move(resumed.groups);
    load_saved(optimizer, optimizer_key(name), std::move(state), resume.checkpoint);
}

/// A checkpoint of the Python ailab has weights, the state of one optimizer, and the epoch.
void Runner::restore_original(const Resume& resume) {
    const Place model = config_.model.config.place;
    LoadedWeights loaded;
    try {
        loaded = load_weights(*modules_.model, resume.path);
    } catch (const Error& error) {
        throw ConfigError({{model, concat("resume from ", resume.path, ": ", error.what())}});
    }
    log_info(loaded.summary);
    if (!loaded.unmatched.empty())
        throw ConfigError({{model, concat("resume from ", resume.path, " does not fit the model: ",
                                          join(loaded.unmatched, "; "))}});
    if (!resume.original->optimizer) {
        log_warning(resume.path, " has no state of the optimizer: it starts anew");
        return;
    }
    if (modules_.updates.size() != 1)
        throw Error(
            concat(resume.path, " has one optimizer, the configuration ", modules_.updates.size()));
    const auto& [name, update] = *modules_.updates.begin();
    const TorchOptimizerState& saved = *resume.original->optimizer;
    restore_optimizer(name, to_optimizer_state(saved, names_by_groups(saved, *update)), resume);
}

void Runner::restore_position(const State& saved) {
    workflow_.load(StateReader(saved.values));
    const RunState state = RunState::load(saved.values);
    // An evaluation belongs to the epoch that was trained before it, though that is counted by
    // then.
    progress_.epoch = state.trained_epoch;
    train_seconds_ = state.train_seconds;
    train_samples_ = state.train_samples;
    step_.set_loss_unit(state.loss_unit);
    results_ = state.results;
    // An evaluation that was broken off begins again: its samples are those of the same epoch.
    for (const auto& [phase, epoch] : state.evaluated)
        if (const auto data = modules_.data.find(phase); data != modules_.data.end())
            data->second.loader->seek(epoch, 0);
    const auto train = modules_.data.find(Phase::train);
    if (train == modules_.data.end()) return;
    if (!state.data) throw Error("its state has no position of the training data");
    Loader& loader = *train->second.loader;
    loader.seek(state.data->epoch, resumed_iteration(*state.data, loader.plan()));
}

void Runner::restore_ranks(const Resume& resume) {
    const std::vector<State>& ranks = resume.rank_states;
    if (resume.same_world() && !ranks.empty()) {
        const auto generator = ranks[0].tensors.find("generator");
        if (generator != ranks[0].tensors.end()) device_.set_rng_state(generator->second);
    }
    for (const State& rank : ranks)
        if (const Node* windows = rank.values.find("windows"))
            for (const Member& member : windows->members()) {
                Node& saved = saved_windows_[member.key];
                if (saved.is_null()) saved = Node::list();
                for (const Node& entry : member.value.items()) saved.items().push_back(entry);
            }
    if (ranks.empty()) return;
    hooks_.each("load_rank_states", [&](Hook& hook, const std::string& key) {
        std::vector<State> parts;
        for (const State& rank : ranks) parts.push_back(part_of(rank, key));
        hook.load_rank_states(parts);
    });
}

// ---- back to the newest checkpoint

bool Runner::roll_back(const std::string& reason) {
    if (newest_checkpoint_.empty()) return false;
    roll_back_reason_ = reason;
    return true;
}

void Runner::serve_roll_back() {
    if (roll_back_reason_.empty()) return;
    writer_.wait();  // it may still be written
    log_warning("back to the state of ", newest_checkpoint_, ": ",
                std::exchange(roll_back_reason_, {}));
    Resume resume;
    resume.path = newest_checkpoint_;
    resume.checkpoint = read_checkpoint(newest_checkpoint_, job_.rank());
    try {
        restore_modules(resume);
    } catch (...) {
        rethrow_with(concat("back to ", newest_checkpoint_));
    }
    call_after_load(newest_checkpoint_);
}

}  // namespace ailab
