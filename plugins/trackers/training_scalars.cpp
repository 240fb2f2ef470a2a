#include "training_scalars.hpp"

namespace ailab {

void TrainingScalars::begin(Run& run) {
    window_ = run.open_window(Phase::train);
    taken_step_ = run.progress().step;
}

bool TrainingScalars::is_due(const Run& run) {
    const Progress& progress = run.progress();
    due_ = due_ || (progress.iter + 1) % interval_ == 0;
    return due_ && progress.step > taken_step_ && progress.iter + 1 < progress.iters;
}

bool TrainingScalars::has_rest(const Run& run) const {
    return run.timing().iterations > timed_.iterations;
}

NamedScalars TrainingScalars::take(Run& run) {
    constexpr double mebibyte = 1 << 20;
    const Timing until_now = run.timing();
    const Timing time = until_now.mean_since(std::exchange(timed_, until_now));
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
    taken_step_ = run.progress().step;
    due_ = false;
    return values;
}

NamedScalars TrainingScalars::results(const Run& run) {
    NamedScalars values;
    const Phase phase = run.progress().phase;
    for (const auto& [name, value] : run.results(phase))
        values.emplace_back(concat(phase_name(phase), "/", name), value);
    return values;
}

}  // namespace ailab
