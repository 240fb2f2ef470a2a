#pragma once
// What the tools that drive a visualiser's hook share: a run that is lost and resumed.
#include "plugins/fake_run.hpp"

namespace ailab::test {

/// The values tell which start of the run they are of.
inline double value_at(int64_t step, int start) {
    return double(step) + 0.1 * start;
}

inline void validate(Hook& hook, FakeRun& run, int start) {
    run.now.phase = Phase::val;
    run.published.clear();
    run.publish("top1", value_at(run.now.step, start));
    hook.before_val_epoch(run);
    hook.after_val_epoch(run);
    run.now.phase = Phase::train;
}

/// Trains until `end`, validating after each 10 steps. The state of `checkpoint` is that between
/// the training of step 10 and its validation.
inline void train(Hook& hook, FakeRun& run, int64_t end, int start, State* checkpoint = nullptr) {
    run.now.total_epochs = 3;
    run.now.iters = 10;
    for (; run.now.step < end; ++run.now.epoch) {
        hook.before_train_epoch(run);
        for (run.now.iter = 0; run.now.iter < 10; ++run.now.iter) {
            hook.before_train_iter(run);
            hook.before_step(run);
            ++run.now.step;
            run.window->values = {{"loss", value_at(run.now.step, start)}};
            hook.after_train_iter(run);
            if (run.now.step == end && end % 10 != 0) return;
        }
        --run.now.iter;
        hook.after_train_epoch(run);
        if (checkpoint && run.now.step == 10) {
            hook.before_save_checkpoint(run, "epoch_1");
            *checkpoint = hook.save_state();
        }
        validate(hook, run, start);
    }
}

/// The run goes on from the checkpoint of step 10, as its second start, to its end at step 30.
inline void resume_at_10(Hook& hook, FakeRun& run, const State& checkpoint) {
    run.resumed = "epoch_1";
    run.now.step = 10;
    run.now.epoch = 1;
    hook.load_state(checkpoint);
    hook.before_run(run);
    validate(hook, run, 2);
    train(hook, run, 30, 2);
    hook.after_run(run);
}

}  // namespace ailab::test
