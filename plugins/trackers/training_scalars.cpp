#include "training_scalars.hpp"

namespace ailab {
namespace {

constexpr const char* state_name = "training_scalars";

}  // namespace

void TrainingScalars::begin(Run& run, const Node& saved) {
    window_ = run.open_window(Phase::train);
    taken_step_ = run.progress().step;
    const Node* state = saved.find(state_name);
    if (!state) return;
    const auto value = [&](const char* name) -> const Node& {
        if (const Node* found = state->find(name); found && found->is_scalar()) return *found;
        throw Error(concat("the checkpoint has no \"", name, "\" of the training's scalars"));
    };
    iterations_ = value("iterations").as_int();
    due_ = value("due").as_bool();
    taken_step_ = value("taken_step").as_int();
    earlier_.iterations = iterations_;
    earlier_.iteration = value("seconds").as_float();
    earlier_.data = value("data_seconds").as_float();
}

bool TrainingScalars::is_due(const Run& run) {
    const Progress& progress = run.progress();
    ++iterations_;
    due_ = due_ || (progress.iter + 1) % interval_ == 0;
    return due_ && progress.step > taken_step_ && progress.iter + 1 < progress.iters;
}

Timing TrainingScalars::taken_time(const Timing& until_now) const {
    Timing time = until_now;
    time.iterations += earlier_.iterations - timed_.iterations;
    time.iteration += earlier_.iteration - timed_.iteration;
    time.data += earlier_.data - timed_.data;
    return time;
}

NamedScalars TrainingScalars::take(Run& run) {
    constexpr double mebibyte = 1 << 20;
    const Timing until_now = run.timing();
    const Timing time = taken_time(until_now).mean_since({});
    NamedScalars values;
    for (const auto& [name, value] : window_->reduce()) values.emplace_back("train/" + name, value);
    for (const auto& [name, value] : run.results(Phase::train))
        values.emplace_back("train/" + name, value);
    for (const auto& [name, optimizer] : run.optimizers())
        if (!optimizer->groups().empty())
            values.emplace_back(name.empty() ? "train/lr" : "train/" + name + "_lr",
                                optimizer->scheduled_lr());
    values.emplace_back("train/time", time.iteration);
    values.emplace_back("train/data_time", time.data);
    values.emplace_back("train/memory", double(run.device().peak_memory()) / mebibyte);
    timed_ = until_now;
    earlier_ = {};
    iterations_ = 0;
    taken_step_ = run.progress().step;
    due_ = false;
    return values;
}

void TrainingScalars::mark(const Run& run) {
    marked_ = taken_time(run.timing());
}

void TrainingScalars::save(Node& values) const {
    Node state = Node::map();
    state.set("iterations", Node(iterations_));
    state.set("due", Node(due_));
    state.set("taken_step", Node(taken_step_));
    state.set("seconds", Node(marked_.iteration));
    state.set("data_seconds", Node(marked_.data));
    values.set(state_name, std::move(state));
}

NamedScalars TrainingScalars::results(const Run& run) {
    NamedScalars values;
    const Phase phase = run.progress().phase;
    for (const auto& [name, value] : run.results(phase))
        values.emplace_back(concat(phase_name(phase), "/", name), value);
    return values;
}

}  // namespace ailab
