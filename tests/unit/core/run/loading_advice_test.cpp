#include "run/loading_advice.hpp"

#include <gtest/gtest.h>

#include "core/data/fake_samples.hpp"

namespace ailab {
namespace {

StageTimes times(int read, int decode, int transform, int other) {
    StageTimes times;
    const int milliseconds[] = {read, decode, transform, other};
    for (size_t i = 0; i < 4; ++i) times.spent[i] = std::chrono::milliseconds(milliseconds[i]);
    return times;
}

LoadingShare share(double waiting, const StageTimes& stages, int64_t iterations = 100) {
    return {.iterations = iterations, .running = 10, .waiting = waiting, .stages = stages};
}

LoaderOptions options(int workers) {
    LoaderOptions options = test::loader_options(std::make_shared<test::FakeSamples>(8), 4);
    options.workers = workers;
    return options;
}

TEST(LoadingAdvice, SaysWhatLimitsTheRun) {
    struct Case {
        LoadingShare share;
        int workers;
        const char* advice;
    };
    for (const Case& c : {
             Case{share(0.9, times(9, 9, 9, 9)), 2, "the model limits the run"},
             Case{share(9, times(9, 9, 9, 9), 9), 2, "the model limits the run"},
             Case{share(3.5, times(20, 62, 18, 0)), 4,
                  "the loader limits the run: waiting for data.train takes 35 % of it, and decode "
                  "takes 62 % of its 4 threads' time; raise data.train_dataloader.num_workers if "
                  "there are cores to spare, or set cache_gb of the data set, or store the images "
                  "in the size that is needed"},
             Case{share(1.1, times(80, 10, 10, 0)), 1,
                  "the loader limits the run: waiting for data.train takes 11 % of it, and read "
                  "takes 80 % of its thread's time; raise data.train_dataloader.num_workers if "
                  "there are cores to spare, or keep the files on a faster disk or in fewer, "
                  "larger files"},
             Case{share(5, times(0, 10, 70, 20)), 2,
                  "the loader limits the run: waiting for data.train takes 50 % of it, and "
                  "transform takes 70 % of its 2 threads' time; raise "
                  "data.train_dataloader.num_workers if there are cores to spare, or take fewer "
                  "or cheaper transforms"},
             Case{share(5, times(0, 10, 20, 70)), 2,
                  "the loader limits the run: waiting for data.train takes 50 % of it, and the "
                  "data set's own code takes 70 % of its 2 threads' time; raise "
                  "data.train_dataloader.num_workers if there are cores to spare, or make its "
                  "get() faster"},
         })
        EXPECT_EQ(loading_advice(c.share, options(c.workers)), c.advice);
}

TEST(LoadingAdvice, KnowsNoStagesOfWholeBatches) {
    class Whole : public test::FakeSamples {
      public:
        Whole() : FakeSamples(8) {}
        bool has_batches() const override { return true; }
    };
    LoaderOptions whole = options(1);
    whole.dataset = std::make_shared<Whole>();
    EXPECT_EQ(loading_advice(share(5, {}), whole),
              "the loader limits the run: waiting for data.train takes 50 % of it; make the data "
              "set's get_batch() faster");
}

}  // namespace
}  // namespace ailab
