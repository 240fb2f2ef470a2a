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

#include "train_fake_run.hpp"

namespace ailab::test {
namespace {

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
    resume_at_10(*hook, run, checkpoint);
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
