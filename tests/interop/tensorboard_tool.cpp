// Drives TensorboardHook through runs that end in ways that ailab-run cannot be made to on time.
//
//     tensorboard_tool resume <folder>   a run of 30 steps, lost at step 17 and resumed from the
//                                        checkpoint of step 10; points each 2 steps, val each 10
//     tensorboard_tool failed <folder>   a run that fails at step 5
#include <ATen/ATen.h>

#include <cstdio>

#include "unit/builtin/fake_run.hpp"

namespace ailab::test {
namespace {

/// Trains until `end`, validating after each 10 steps. Scalars tell which start of the run they are
/// of: the loss is step + `start` / 10.
void train(Hook& hook, FakeRun& run, int64_t end, int start, State* checkpoint) {
    run.now.total_epochs = 3;
    run.now.iters = 10;
    for (; run.now.step < end; ++run.now.epoch) {
        hook.before_train_epoch(run);
        for (run.now.iter = 0; run.now.iter < 10; ++run.now.iter) {
            hook.before_train_iter(run);
            hook.before_step(run);
            ++run.now.step;
            run.window->values = {{"loss", double(run.now.step) + 0.1 * start}};
            hook.after_train_iter(run);
            if (run.now.step == end && end % 10 != 0) return;
        }
        --run.now.iter;
        hook.after_train_epoch(run);
        if (checkpoint && run.now.step == 10) *checkpoint = hook.save_state();
        run.now.phase = Phase::val;
        run.published.clear();
        run.publish("top1", double(run.now.step) + 0.1 * start);
        hook.before_val_epoch(run);
        hook.after_val_epoch(run);
        run.now.phase = Phase::train;
    }
}

std::shared_ptr<Hook> make_hook(const std::string& folder) {
    return make<Hook>(R"({"type": "TensorboardHook", "interval": 2, "log_dir": ")" + folder +
                      "/logs\"}");
}

void resume(ThreadComm& comm, const std::string& folder) {
    State checkpoint;
    {
        const auto hook = make_hook(folder);
        FakeRun run(comm, folder);
        hook->before_run(run);
        train(*hook, run, 17, 1, &checkpoint);
    }
    const auto hook = make_hook(folder);
    FakeRun run(comm, folder);
    run.resumed = "epoch_1";
    run.now.step = 10;
    run.now.epoch = 1;
    hook->load_state(checkpoint);
    hook->before_run(run);
    // The checkpoint was taken before the validation.
    run.now.phase = Phase::val;
    run.publish("top1", 10.2);
    hook->before_val_epoch(run);
    hook->after_val_epoch(run);
    run.now.phase = Phase::train;
    train(*hook, run, 30, 2, nullptr);
    hook->after_run(run);
}

void fail(ThreadComm& comm, const std::string& folder) {
    const auto hook = make_hook(folder);
    FakeRun run(comm, folder);
    hook->before_run(run);
    train(*hook, run, 5, 1, nullptr);
    hook->on_exception(run, "out of memory");
}

}  // namespace
}  // namespace ailab::test

int main(int argc, char** argv) {
    using namespace ailab::test;
    const std::string command = argc == 3 ? argv[1] : "";
    const auto action = command == "resume" ? resume : command == "failed" ? fail : nullptr;
    if (!action) {
        std::fprintf(stderr, "tensorboard_tool resume|failed <folder>\n");
        return 2;
    }
    const auto errors = run_ranks(1, [&](ThreadComm& comm) { action(comm, argv[2]); });
    std::fputs(errors[0].c_str(), stderr);
    return errors[0].empty() ? 0 : 1;
}
