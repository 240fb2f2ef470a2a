#include "sample_wait.hpp"

#include <algorithm>

#include "ailab/log.hpp"
#include "ailab/support/number_text.hpp"
#include "batch_builder.hpp"

namespace ailab {

namespace {

/// A sample that takes so long is worth a word where the run is to end, or at any time.
constexpr std::chrono::milliseconds long_for_a_stop{300};
constexpr std::chrono::seconds long_at_any_time{10};

std::string seconds_text(double seconds) {
    return fixed_text(seconds, seconds < 10 ? 1 : 0) + " s";
}

}  // namespace

std::string SampleWait::what(const MakeProgress* progress) const {
    const std::string data =
        options_.type.empty() ? options_.name : concat(options_.name, " (", options_.type, ")");
    const int64_t sample = progress ? progress->sample() : MakeProgress::no_sample;
    if (sample == MakeProgress::no_sample) return concat(data, ", a batch");
    const std::string label = sample_label(*options_.dataset, sample);
    return concat(data, ", ", options_.whole_batches() ? "the batch that begins with " : "", label);
}

void SampleWait::look(const MakeProgress* progress) {
    const Clock::time_point now = Clock::now();
    // More than a few intervals at once: the process was stopped (a job that is suspended).
    const Clock::duration step = std::min<Clock::duration>(now - looked_, 10 * interval);
    looked_ = now;
    const int64_t begun = progress ? progress->begun() : -1;
    // The first one was begun before this wait.
    const bool is_another = begun_.has_value() && *begun_ != begun;
    begun_ = begun;
    waited_ = is_another ? Clock::duration() : waited_ + step;
    const double limit = options_.sample_timeout;
    if (seconds(waited_) > limit)
        throw Error(
            concat(what(progress), ": it has not come within ", limit,
                   " s (dist.timeout): what the data set reads or waits for hangs. A sample "
                   "that needs longer wants a larger dist.timeout"));
    const std::string signal = options_.stop_wanted ? options_.stop_wanted() : "";
    if (!signal.empty() && waited_ > long_for_a_stop && !has_said_stop_) {
        has_said_stop_ = has_said_slow_ = true;
        log_warning(signal, ": the run waits for ", what(progress), ", which has not come for ",
                    seconds_text(seconds(waited_)), ". It ends with that sample, or after ", limit,
                    " s (dist.timeout) without it; a second signal ends it at once");
    } else if (waited_ > long_at_any_time && !has_said_slow_) {
        has_said_slow_ = true;
        log_warning("the run waits for ", what(progress), ", which has not come for ",
                    seconds_text(seconds(waited_)), "; after ", limit,
                    " s (dist.timeout) the run ends");
    }
}

}  // namespace ailab
