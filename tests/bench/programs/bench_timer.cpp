// A hook that times training from inside a run, after the first iterations, and says so in one line
// of JSON on standard output. It is all that the run without other hooks has.
#include <ailab/ailab.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "iteration_times.hpp"

AILAB_PLUGIN("bench_timer", "1.0", "Times training for the benchmarks")

namespace {

using Clock = std::chrono::steady_clock;

class BenchTimer : public ailab::Hook {
  public:
    struct Options {
        int64_t skip = 200;
        void visit(ailab::OptionVisitor& v) {
            v.option("skip", skip, "iterations to leave out at the start", ailab::at_least(0));
        }
    };
    explicit BenchTimer(const Options& options) : skip_(options.skip) {}
    /// After all others, so that what they do at an epoch's end is timed too.
    int default_priority() const override { return 100; }

    void before_train_epoch(ailab::Run&) override {
        begin_ = Clock::now();
        times_.begin_epoch();
    }
    void after_train_iter(ailab::Run& run) override {
        times_.iteration();
        if (run.progress().step > skip_ && (run.progress().step - skip_) % block == 0)
            end_block(run);
        if (run.progress().step != skip_) return;
        run.device().synchronize();
        seconds_ = 0;
        samples_ = run.train_samples();
        begin_ = block_begin_ = Clock::now();
        block_samples_ = samples_;
    }
    void after_train_epoch(ailab::Run& run) override {
        run.device().synchronize();
        times_.end_epoch();
        seconds_ += std::chrono::duration<double>(Clock::now() - begin_).count();
    }
    void after_run(ailab::Run& run) override {
        if (!run.is_main()) return;
        std::printf(
            "{\"us_per_iteration\": %.4f, \"samples_per_second\": %.4f, \"in_quietest_block\": "
            "%.4f, "
            "\"first_step\": %.4f}\n",
            times_.result() * 1e6, double(run.train_samples() - samples_) / seconds_, quietest_,
            run.seconds_to_first_step());
    }

  private:
    static constexpr int64_t block = 500;  // iterations

    void end_block(ailab::Run& run) {
        run.device().synchronize();
        const auto now = Clock::now();
        const std::chrono::duration<double> taken = now - block_begin_;
        quietest_ =
            std::max(quietest_, double(run.train_samples() - block_samples_) / taken.count());
        block_begin_ = now;
        block_samples_ = run.train_samples();
    }

    int64_t skip_;
    int64_t block_samples_ = 0;
    double quietest_ = 0;  // samples a second
    Clock::time_point block_begin_;
    int64_t samples_ = 0;
    double seconds_ = 0;
    Clock::time_point begin_;
    IterationTimes times_;
};
AILAB_REGISTER_HOOK(BenchTimer, "Prints the time of a training iteration (for benchmarks)")

}  // namespace
