#include "loading_advice.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "ailab/log.hpp"

namespace ailab {

namespace {

constexpr double tolerated_waiting = 0.1;  // of the iterations' time
constexpr int64_t fewest_iterations = 10;

struct Stage {
    LoadStage stage;
    const char* name;
    const char* advice;  // beside more threads
};

constexpr std::array stages = {
    Stage{LoadStage::read, "read", "keep the files on a faster disk or in fewer, larger files"},
    Stage{LoadStage::decode, "decode",
          "set cache_gb of the data set, or store the images in the size that is needed"},
    Stage{LoadStage::transform, "transform", "take fewer or cheaper transforms"},
    Stage{LoadStage::other, "the data set's own code", "make its get() faster"},
};

int64_t percent(double part, double whole) {
    return whole > 0 ? std::llround(100 * part / whole) : 0;
}

}  // namespace

bool LoadingShare::limits() const {
    return iterations >= fewest_iterations && waiting > tolerated_waiting * running;
}

std::string loading_advice(const LoadingShare& share, const LoaderOptions& options) {
    if (!share.limits()) return "the model limits the run";
    const std::string waits = concat("the loader limits the run: waiting for ", options.name,
                                     " takes ", percent(share.waiting, share.running), " % of it");
    if (options.whole_batches()) return waits + "; make the data set's get_batch() faster";
    double all = 0;
    for (const Stage& stage : stages) all += share.stages.seconds(stage.stage);
    const Stage& longest =
        *std::max_element(stages.begin(), stages.end(), [&](const Stage& a, const Stage& b) {
            return share.stages.seconds(a.stage) < share.stages.seconds(b.stage);
        });
    return concat(waits, ", and ", longest.name, " takes ",
                  percent(share.stages.seconds(longest.stage), all), " % of its ",
                  options.workers == 1 ? "thread's" : concat(options.workers, " threads'"),
                  " time; raise ", options.name,
                  "_dataloader.num_workers if there are cores to spare, or ", longest.advice);
}

void tell_loading_advice(const LoadingShare& share, const LoaderOptions& options) {
    if (share.iterations < fewest_iterations) return;
    log(share.limits() ? LogLevel::info : LogLevel::debug, loading_advice(share, options));
}

}  // namespace ailab
