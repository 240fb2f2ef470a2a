// A small model, and a hook that makes one rank fail where and how a campaign wants it. What fails
// while plugins load is told by the environment, since no options are read then.
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <ailab/ailab.hpp>
#include <chrono>
#include <sstream>
#include <thread>

AILAB_PLUGIN("fault_points", "1.0", "Ranks that fail on purpose")

namespace {

int my_rank() {
    for (const char* name : {"OMPI_COMM_WORLD_RANK", "RANK", "SLURM_PROCID"})
        if (const char* value = getenv(name)) return atoi(value);
    return 0;
}

const std::vector<std::string> ways = {"throw", "kill", "stop", "exit", "segv", "loop"};

void fail(const std::string& how) {
    if (how == "throw") throw std::runtime_error("failed on purpose");
    if (how == "kill") kill(getpid(), SIGKILL);
    if (how == "stop") kill(getpid(), SIGSTOP);
    if (how == "exit") exit(0);
    if (how == "segv") {
        int* volatile nowhere = nullptr;
        *nowhere = 1;
    }
    // A loop in which the process does not end; it leaves the cores to the others.
    if (how == "loop")
        for (;;) std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

/// AILAB_TEST_AT_LOAD="<how> <rank>"
struct AtLoad {
    AtLoad() {
        const char* wanted = getenv("AILAB_TEST_AT_LOAD");
        if (!wanted) return;
        std::istringstream text(wanted);
        std::string how;
        int rank = 0;
        if (text >> how >> rank && rank == my_rank()) fail(how);
    }
} const at_load;

/// Numbers, a hidden layer with dropout, classes.
class SmallNet : public ailab::Model {
  public:
    struct Options {
        int64_t in = 16, hidden = 12, out = 4;
        double dropout = 0.1, delay = 0;
        void visit(ailab::OptionVisitor& v) {
            v.option("in", in, "numbers of a sample", ailab::at_least(1));
            v.option("hidden", hidden, "width of the hidden layer", ailab::at_least(1));
            v.option("out", out, "number of classes", ailab::at_least(1));
            v.option("dropout", dropout, "probability of dropping a value", ailab::between(0, 1));
            v.option("delay", delay, "seconds that a forward pass takes longer",
                     ailab::at_least(0));
        }
    };
    explicit SmallNet(const Options& options) : o(options) {
        fc1 = register_module("fc1", torch::nn::Linear(o.in, o.hidden));
        bn = register_module("bn", torch::nn::BatchNorm1d(o.hidden));
        fc2 = register_module("fc2", torch::nn::Linear(o.hidden, o.out));
    }
    ailab::Tensor forward(const ailab::Tensor& x) override {
        if (o.delay > 0) std::this_thread::sleep_for(std::chrono::duration<double>(o.delay));
        return fc2(torch::dropout(torch::relu(bn(fc1(x.flatten(1)))), o.dropout, is_training()));
    }

  private:
    const Options o;
    torch::nn::Linear fc1{nullptr}, fc2{nullptr};
    torch::nn::BatchNorm1d bn{nullptr};
};
AILAB_REGISTER_MODEL(SmallNet, "Two linear layers, a batch norm, dropout")

class FaultHook : public ailab::Hook {
  public:
    struct Options {
        std::string how = "throw", point = "never";
        int64_t rank = 0, step = 10;
        void visit(ailab::OptionVisitor& v) {
            v.option("how", how, "what happens", ailab::one_of(ways));
            v.option("point", point, "where",
                     ailab::one_of({"never", "first step", "middle", "val", "checkpoint", "end"}));
            v.option("rank", rank, "on this rank", ailab::at_least(0));
            v.option("step", step, "which step is the middle", ailab::at_least(1));
        }
    };
    explicit FaultHook(const Options& options) : o(options) {}

    void after_backward(ailab::Run& run) override {
        if (run.progress().train_iter == 0) reach(run, "first step");
        if (run.progress().train_iter == o.step) reach(run, "middle");
    }
    void before_val_iter(ailab::Run& run) override {
        if (run.progress().iter == 0) reach(run, "val");
    }
    void before_save_checkpoint(ailab::Run& run, const std::string&) override {
        reach(run, "checkpoint");
    }
    void after_run(ailab::Run& run) override { reach(run, "end"); }

  private:
    void reach(ailab::Run& run, const char* point) {
        if (o.point == point && run.comm().rank() == o.rank) fail(o.how);
    }

    const Options o;
};
AILAB_REGISTER_HOOK(FaultHook, "Makes a rank fail at one point of the run")

}  // namespace
