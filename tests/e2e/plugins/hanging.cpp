// What stops, loops, ends the process or prints where a test wants it.
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <ailab/ailab.hpp>
#include <cstdio>
#include <iostream>
#include <string>
#include <thread>

AILAB_PLUGIN("hanging", "1.0", "Modules that hang, exit or print on purpose")

namespace {

using ailab::Tensor;

int my_rank() {
    for (const char* name : {"OMPI_COMM_WORLD_RANK", "RANK", "SLURM_PROCID"})
        if (const char* value = getenv(name)) return atoi(value);
    return 0;
}

void act(const std::string& how) {
    if (how == "stop") raise(SIGSTOP);
    if (how == "kill") raise(SIGKILL);
    if (how == "term") kill(getpid(), SIGTERM);
    if (how == "crash") raise(SIGSEGV);
    if (how == "exit") exit(0);
    if (how == "quick_exit") quick_exit(0);
    if (how == "exit_thread") {
        std::thread([] { exit(0); }).detach();
        pause();
    }
    while (how == "loop") usleep(1000);
}

/// AILAB_TEST_LOAD=<rank>:<how>: when the plugin is loaded.
struct AtLoad {
    AtLoad() {
        const char* value = getenv("AILAB_TEST_LOAD");
        if (!value || atoi(value) != my_rank()) return;
        act(std::string(value).substr(std::string(value).find(':') + 1));
    }
} at_load;

class HangingHook : public ailab::Hook {
  public:
    struct Options {
        std::string how = "loop", point = "after_run";
        int64_t rank = 1, at = 0;
        void visit(ailab::OptionVisitor& v) {
            v.option("how", how, "what happens",
                     ailab::one_of(
                         {"stop", "loop", "kill", "term", "exit", "quick_exit", "exit_thread"}));
            v.option("point", point, "where");
            v.option("rank", rank, "on this rank");
            v.option("at", at, "not before this training iteration");
        }
    };
    explicit HangingHook(const Options& o) : options_(o) {}
    ~HangingHook() override { visit("destructor"); }
    int default_priority() const override { return ailab::priority::very_low + 1; }
    void before_run(ailab::Run&) override { visit("before_run"); }
    void after_run(ailab::Run&) override { visit("after_run"); }
    void before_val_iter(ailab::Run&) override { visit("before_val_iter"); }
    void after_val_epoch(ailab::Run&) override { visit("after_val_epoch"); }
    void before_save_checkpoint(ailab::Run&, const std::string&) override {
        visit("before_save_checkpoint");
    }
    void after_train_iter(ailab::Run& run) override {
        if (run.progress().train_iter >= options_.at) visit("after_train_iter");
    }

  private:
    void visit(const char* point) {
        if (options_.point == point && options_.rank == my_rank() && !done_) {
            done_ = true;
            act(options_.how);
        }
    }

    Options options_;
    bool done_ = false;
};
AILAB_REGISTER_HOOK(HangingHook, "Hangs or ends the process at one point of the run")

/// A linear layer that prints, and may end the process.
class PrintingModel : public ailab::Model {
  public:
    struct Options {
        std::string how = "print";
        int64_t rank = 0;
        void visit(ailab::OptionVisitor& v) {
            v.option("how", how, "what it does when it is called",
                     ailab::one_of({"print", "exit", "loop", "stop"}));
            v.option("rank", rank, "on this rank, at the sixth call");
        }
    };
    explicit PrintingModel(const Options& o) : options_(o) {
        fc = register_module("fc", torch::nn::Linear(784, 10));
    }
    Tensor forward(const Tensor& input) override {
        std::printf("printed by the model\n");
        std::cout << "and by its streams" << std::endl;
        if (++calls_ > 5 && my_rank() == options_.rank) act(options_.how);
        return fc(input.flatten(1));
    }

  private:
    Options options_;
    int calls_ = 0;
    torch::nn::Linear fc{nullptr};
};
AILAB_REGISTER_MODEL(PrintingModel, "Prints on standard output")

}  // namespace
