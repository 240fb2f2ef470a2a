#pragma once
// The records of a .wandb file: messages of W&B's wandb_internal.proto.
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ailab/node.hpp"
#include "ailab/support/protobuf.hpp"
#include "settings.hpp"

namespace ailab::wandb {

/// What stands in a Record, by its field there.
struct Content {
    int field;
    wire::Message message;
};

/// One point of all charts: the values of an optimizer step.
struct Row {
    int64_t step = 0;
    double timestamp = 0;  // seconds since 1970
    double runtime = 0;    // seconds of the run, all its starts together
    std::vector<std::pair<std::string, double>> values;

    /// A name that is there already gets the new value.
    void set(const std::string& name, double value);
};

/// How the runs' table shows a value: its last one, and for evaluations the best.
struct SummaryEntry {
    static constexpr double none = std::numeric_limits<double>::quiet_NaN();
    double last = none;
    double min = none;
    double max = none;

    void add(double value);
};
using Summary = std::map<std::string, SummaryEntry>;

/// Of what is measured after training, the table shows the best beside the last.
bool shows_best(const std::string& name);
/// What is better the less it is: a loss.
bool is_loss(const std::string& name);

/// What is known of a run that goes on.
struct RunStart {
    std::string id;
    double time = 0;         // seconds since 1970
    int64_t first_step = 0;  // the first that this start of the run may write
    double earlier_seconds = 0;
    bool resumed = false;
};

Content header_record();
Content run_record(const Settings& settings, const RunStart& start, const Node& config);
/// Host, command line, processors: what the W&B client keeps in wandb-metadata.json.
Content environment_record(const RunStart& start);
/// A file in the run's `files/` that is uploaded.
Content file_record(const std::string& path);
/// How the summary is made of a value's history.
Content metric_record(const std::string& name);
Content history_record(const Row& row);
/// The summary's entries that this row has changed.
Content summary_record(const Row& row, const Summary& entries);
Content exit_record(int code, double runtime);

/// A Record, the `number`th of the run's file.
std::string record(int64_t number, const std::string& run_id, const Content& content);

/// The step of a history record; nothing for other records.
std::optional<int64_t> history_step(std::string_view record);

}  // namespace ailab::wandb
