// Drives WandbHook through a run that is lost and resumed, at the steps that a test wants.
//
//     wandb_tool <folder> <mode> [<file>]
//
// Trains to step 17, is lost, goes on from the checkpoint of step 10 and trains to step 30, with
// points each 2 steps and a validation each 10. With a file, it is lost once that file exists.
#include <ATen/ATen.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "unit/builtin/fake_run.hpp"

namespace ailab::test {
namespace {

/// Trains until `end`, validating after each 10 steps. The values tell which start of the run they
/// are of: the loss is step + `start` / 10.
void train(Hook& hook, FakeRun& run, int64_t end, int start, State* checkpoint) {
    run.now.total_epochs = 3;
    run.now.iters = 10;
    for (; run.now.step < end; ++run.now.epoch) {
        hook.before_train_epoch(run);
        for (run.now.iter = 0; run.now.iter < 10; ++run.now.iter) {
            hook.before_train_iter(run);
            ++run.now.step;
            run.window->values = {{"loss", double(run.now.step) + 0.1 * start}};
            hook.after_train_iter(run);
            if (run.now.step == end && end % 10 != 0) return;
        }
        --run.now.iter;
        hook.after_train_epoch(run);
        // Between the training's row and its validation.
        if (checkpoint && run.now.step == 10) *checkpoint = hook.save_state();
        run.now.phase = Phase::val;
        run.published.clear();
        run.publish("top1", double(run.now.step) + 0.1 * start);
        hook.before_val_epoch(run);
        hook.after_val_epoch(run);
        run.now.phase = Phase::train;
    }
}

void lose_and_resume(ThreadComm& comm, const std::string& folder, const std::string& mode,
                     const std::string& file) {
    const std::string config = R"({"type": "WandbHook", "interval": 2,
        "init_args": {"project": "p", "name": "n", "mode": ")" +
                               mode + R"("}})";
    State checkpoint;
    {
        const auto hook = make<Hook>(config);
        FakeRun run(comm, folder);
        hook->before_run(run);
        train(*hook, run, 17, 1, &checkpoint);
        while (!file.empty() && !std::filesystem::exists(file))
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    const auto hook = make<Hook>(config);
    FakeRun run(comm, folder);
    run.resumed = "epoch_1";
    run.now.step = 10;
    run.now.epoch = 1;
    hook->load_state(checkpoint);
    hook->before_run(run);
    run.now.phase = Phase::val;
    run.publish("top1", 10.2);
    hook->before_val_epoch(run);
    hook->after_val_epoch(run);
    run.now.phase = Phase::train;
    train(*hook, run, 30, 2, nullptr);
    hook->after_run(run);
}

}  // namespace
}  // namespace ailab::test

int main(int argc, char** argv) {
    using namespace ailab::test;
    if (argc < 3) {
        std::fprintf(stderr, "wandb_tool <folder> <mode> [<file>]\n");
        return 2;
    }
    const auto errors = run_ranks(1, [&](ThreadComm& comm) {
        lose_and_resume(comm, argv[1], argv[2], argc > 3 ? argv[3] : "");
    });
    std::fputs(errors[0].c_str(), stderr);
    return errors[0].empty() ? 0 : 1;
}
