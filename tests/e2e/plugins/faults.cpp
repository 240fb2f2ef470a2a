// Modules that fail where a test wants it.
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <ailab/ailab.hpp>
#include <chrono>
#include <map>
#include <thread>

AILAB_PLUGIN("faults", "1.0", "Modules that fail on purpose")

namespace {

using ailab::Tensor;

int my_rank() {
    for (const char* name : {"OMPI_COMM_WORLD_RANK", "RANK", "SLURM_PROCID"})
        if (const char* value = getenv(name)) return atoi(value);
    return 0;
}

/// Random numbers to fit; throws at one sample.
class FaultyDataset : public ailab::Dataset {
  public:
    struct Options {
        int64_t bad_sample = -1, size = 100000;
        void visit(ailab::OptionVisitor& v) {
            v.option("bad_sample", bad_sample, "this sample throws");
            v.option("size", size, "number of samples", ailab::at_least(1));
        }
    };
    explicit FaultyDataset(const Options& o) : bad_(o.bad_sample), size_(o.size) {}
    int64_t size() const override { return size_; }
    ailab::Sample get(int64_t i, const ailab::SampleContext&) const override {
        if (i == bad_) throw std::runtime_error("cannot read this sample");
        ailab::Philox random(3, 0, uint64_t(i));
        return ailab::Sample(torch::full({8}, random.normal()), torch::full({1}, random.normal()));
    }

  private:
    int64_t bad_, size_;
};
AILAB_REGISTER_DATASET(FaultyDataset, "Numbers; one sample may throw")

/// A linear layer that fails on one rank at one call.
class FaultyModel : public ailab::Model {
  public:
    struct Options {
        std::string how = "never";
        int64_t rank = 1, call = 20;
        double seconds = 0;
        void visit(ailab::OptionVisitor& v) {
            v.option("how", how, "what happens",
                     ailab::one_of({"never", "throw", "throw_int", "kill", "shape", "stay"}));
            v.option("rank", rank, "on this rank");
            v.option("call", call, "at this forward pass");
            v.option("seconds", seconds, "and not before this time");
        }
    };
    explicit FaultyModel(const Options& o) : options_(o) {
        fc = register_module("fc", torch::nn::Linear(8, 1));
    }
    Tensor forward(const Tensor& input) override {
        if (my_rank() == options_.rank && ++calls_ >= options_.call &&
            elapsed() >= options_.seconds) {
            if (options_.how == "throw") throw std::runtime_error("the model has had enough");
            if (options_.how == "throw_int") throw 42;
            if (options_.how == "kill") kill(getpid(), SIGKILL);
            if (options_.how == "stay") std::this_thread::sleep_for(std::chrono::hours(1));
            if (options_.how == "shape") return torch::zeros({3, 7}, torch::requires_grad());
        }
        return fc(input);
    }

  private:
    double elapsed() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
    }

    Options options_;
    int64_t calls_ = 0;
    const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
    torch::nn::Linear fc{nullptr};
};
AILAB_REGISTER_MODEL(FaultyModel, "Fails on one rank at one call")

class FaultyHook : public ailab::Hook {
  public:
    struct Options {
        int64_t rank = 1, step = 20;
        void visit(ailab::OptionVisitor& v) {
            v.option("rank", rank, "on this rank");
            v.option("step", step, "after this step");
        }
    };
    explicit FaultyHook(const Options& o) : options_(o) {}
    void after_train_iter(ailab::Run& run) override {
        if (run.comm().rank() == options_.rank && run.progress().step == options_.step)
            throw std::runtime_error("the hook gives up");
    }

  private:
    Options options_;
};
AILAB_REGISTER_HOOK(FaultyHook, "Throws on one rank after one step")

/// Sends this process a signal at one point of the run.
class SignalHook : public ailab::Hook {
  public:
    struct Options {
        std::string signal = "TERM", point = "after_train_iter";
        int64_t rank = 0, at = -1;
        double again_after = 0;
        void visit(ailab::OptionVisitor& v) {
            v.option("again_after", again_after,
                     "seconds until it is sent once more; 0: it is not");
            v.option("signal", signal, "which",
                     ailab::one_of({"TERM", "INT", "HUP", "KILL", "USR1", "USR2"}));
            v.option(
                "point", point, "where",
                ailab::one_of({"before_train_iter", "after_backward", "after_step",
                               "after_train_iter", "before_save_checkpoint", "before_val_iter"}));
            v.option("rank", rank, "on this rank");
            v.option("at", at, "in the training iteration (or val iteration) of this number");
        }
    };
    explicit SignalHook(const Options& o) : options_(o) {}
    int default_priority() const override { return ailab::priority::very_high; }
    void before_train_iter(ailab::Run& run) override { visit(run, "before_train_iter"); }
    void after_backward(ailab::Run& run) override { visit(run, "after_backward"); }
    void after_step(ailab::Run& run) override { visit(run, "after_step"); }
    void after_train_iter(ailab::Run& run) override { visit(run, "after_train_iter"); }
    void before_save_checkpoint(ailab::Run& run, const std::string&) override {
        visit(run, "before_save_checkpoint");
    }
    void before_val_iter(ailab::Run& run) override {
        if (options_.point == "before_val_iter" && run.progress().iter == options_.at) send(run);
    }

  private:
    void visit(ailab::Run& run, const char* point) {
        if (options_.point == point && run.progress().train_iter >= options_.at && options_.at >= 0)
            send(run);
    }
    void send(ailab::Run& run) {
        if (sent_ || run.comm().rank() != options_.rank) return;
        sent_ = true;
        const std::map<std::string, int> numbers = {{"TERM", SIGTERM}, {"INT", SIGINT},
                                                    {"HUP", SIGHUP},   {"KILL", SIGKILL},
                                                    {"USR1", SIGUSR1}, {"USR2", SIGUSR2}};
        kill(getpid(), numbers.at(options_.signal));
        if (options_.again_after == 0) return;
        std::this_thread::sleep_for(std::chrono::duration<double>(options_.again_after));
        kill(getpid(), numbers.at(options_.signal));
        pause();  // another thread may have got it
    }

    Options options_;
    bool sent_ = false;
};
AILAB_REGISTER_HOOK(SignalHook, "Sends a signal to itself")

/// A hook whose constructor throws.
class BrokenHook : public ailab::Hook {
  public:
    BrokenHook() { throw std::runtime_error("cannot be made"); }
};
AILAB_REGISTER_HOOK(BrokenHook, "Its constructor throws")

}  // namespace
