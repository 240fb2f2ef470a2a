// Modules that fail where a test wants it.
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <ailab/ailab.hpp>
#include <chrono>

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
                     ailab::one_of({"never", "throw", "throw_int", "kill", "shape"}));
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

/// A hook whose constructor throws.
class BrokenHook : public ailab::Hook {
  public:
    BrokenHook() { throw std::runtime_error("cannot be made"); }
};
AILAB_REGISTER_HOOK(BrokenHook, "Its constructor throws")

}  // namespace
