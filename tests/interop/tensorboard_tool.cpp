// Drives TensorboardHook through runs that end in ways that ailab-run cannot be made to on time.
//
//     tensorboard_tool resume <folder>   a run of 30 steps, lost at step 17 and resumed from the
//                                        checkpoint of step 10; points each 2 steps, val each 10
//     tensorboard_tool failed <folder>   a run that fails at step 5
#include <ATen/ATen.h>

#include <cstdio>

#include "train_fake_run.hpp"

namespace ailab::test {
namespace {

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
    resume_at_10(*hook, run, checkpoint);
}

void fail(ThreadComm& comm, const std::string& folder) {
    const auto hook = make_hook(folder);
    FakeRun run(comm, folder);
    hook->before_run(run);
    train(*hook, run, 5, 1);
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
