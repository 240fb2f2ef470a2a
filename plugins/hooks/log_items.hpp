#pragma once
// `log_items`: values of the run that a log line has beside its usual ones, named by dotted paths.
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "ailab/hook.hpp"
#include "log_line.hpp"

namespace ailab {

/// A path, understood. The paths are those of log_item_paths.
struct LogItem {
    enum class Source { group, value, average, time, memory, progress };

    std::string name;
    std::string path;
    Source source = Source::value;
    /// The optimizer's name, or that of the metric or loss.
    std::string key;
    int64_t group = 0;
    /// lr, weight_decay, momentum; iteration, data; epoch, iter, step, samples.
    std::string field;
    Place place;
};

/// For the documentation of the option.
inline constexpr const char* log_item_paths =
    "optimizer.param_groups.N.lr (weight_decay, momentum), optimizer.NAME.param_groups.N.lr, "
    "metrics.NAME, losses.NAME, meters.NAME.val (avg), time.iteration, time.data, memory, "
    "progress.epoch (iter, step, samples)";

/// The items of the option, in the order of their names. What is wrong with them goes to
/// `problems`: paths that are none, with the nearest one, and values that this run does not have.
std::vector<LogItem> read_log_items(const std::map<std::string, Node>& option, const RunPlan& plan,
                                    Problems& problems);

/// Optimizers and groups that are not there. Throws Error.
void check_groups(const std::vector<LogItem>& items, Run& run);

/// Adds the items to the line; one that has the name of a usual value takes its place. A value that
/// the line's phase does not have is left out. `averages`: means over the training epoch so far.
void add_log_items(LogRecord& record, const std::vector<LogItem>& items, Run& run,
                   const NamedValues& averages);

}  // namespace ailab
