// What signals ask of the run: the ranks learn of it together, at the end of a step, and act alike.
#include <ATen/ATen.h>

#include <csignal>
#include <utility>

#include "ailab/log.hpp"
#include "distributed/last_words.hpp"
#include "runner.hpp"

namespace ailab {

namespace {

/// The signals that end the run, in the order of the numbers that ranks exchange; the last number
/// asks for a checkpoint.
constexpr std::array stop_signals = {SIGTERM, SIGINT, SIGHUP, SIGUSR2};

/// An evaluation looks at signals so often: each time costs a small exchange.
constexpr int64_t evaluation_interval = 16;

}  // namespace

std::vector<double> Runner::own_requests() {
    const dist::SignalRequests mine = dist::take_signal_requests();
    std::vector<double> numbers;
    numbers.reserve(stop_signals.size() + 1);
    for (const int signal : stop_signals) numbers.push_back(mine.stop == signal);
    numbers.push_back(mine.checkpoint);
    return numbers;
}

void Runner::note_requests(std::span<const double> sums) {
    for (size_t i = 0; i < stop_signals.size(); ++i)
        if (sums[i] > 0 && requests_.stop == 0) requests_.stop = stop_signals[i];
    requests_.checkpoint = requests_.checkpoint || sums[stop_signals.size()] > 0;
}

void Runner::checkpoint_for_request() {
    if (saved_step_ == workflow_.position().step) return;  // a hook was faster
    save_checkpoint(concat(checkpoint_folder_, "/iter_", workflow_.position().train_iter));
}

void Runner::serve_requests() {
    if (requests_.stop != 0 && workflow_.ends_here())
        log_info(dist::signal_name(std::exchange(requests_.stop, 0)),
                 ": nothing of the run is left, so it ends as it is, complete");
    if (requests_.stop == 0 && !requests_.checkpoint) return;
    if (config_.test) {  // there is nothing to save
        requests_.checkpoint = false;
        stop_signal_ = requests_.stop;
        if (stop_signal_ != 0) stop(concat("stopped by ", dist::signal_name(stop_signal_)));
        return;
    }
    if (requests_.stop != 0)
        log_info(
            dist::signal_name(requests_.stop), ": saving a checkpoint, then the run ends",
            newest_checkpoint_.empty() ? "" : "; the newest until then is " + newest_checkpoint_);
    checkpoint_for_request();
    requests_.checkpoint = false;
    if (requests_.stop == 0) return;
    writer_.wait();
    stop_signal_ = requests_.stop;
    stop(concat("stopped by ", dist::signal_name(stop_signal_),
                "; go on with resume_from=", newest_checkpoint_));
}

/// In an evaluation: whether to break it off. Collective.
bool Runner::stops_now(int64_t iteration) {
    if (iteration % evaluation_interval != 0) return false;
    if (job_.world_size() == 1) {
        note_requests(own_requests());
    } else {
        const std::vector<double> mine = own_requests();
        Tensor sums = at::tensor(mine, at::kDouble);
        job_.all_reduce_sum(sums);
        note_requests({sums.const_data_ptr<double>(), sums.const_data_ptr<double>() + mine.size()});
    }
    return requests_.stop != 0;
}

}  // namespace ailab
