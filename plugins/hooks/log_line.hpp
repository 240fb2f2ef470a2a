#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ailab/run.hpp"

namespace ailab {

using NamedValues = std::vector<std::pair<std::string, double>>;

/// What one line tells. Counts are as people see them: from 1.
struct LogRecord {
    Phase phase = Phase::train;
    /// A run by iterations: the line counts these alone.
    bool by_iter = false;
    int64_t epoch = 0;
    int64_t iter = 0;
    int64_t iters = 0;
    int64_t step = 0;
    NamedValues lr;         // {"lr", …}, or one for each optimizer
    double eta = -1;        // seconds; below 0: not told
    double time = 0;        // seconds an iteration
    double data_time = -1;  // below 0: not told
    // What the loader's threads spent on a batch; 0: not told. In the JSON lines alone.
    double read_time = 0, decode_time = 0, transform_time = 0;
    int64_t memory = 0;  // MiB
    NamedValues values;  // losses, metrics
    NamedValues items;   // of `log_items`
};

/// The keys that lines have by themselves, beside "lr" and "loss": nothing that a run computes may
/// have such a name.
const std::vector<std::string>& line_keys();

/// MMEngine's line: "Epoch(train) [1][100/469]  lr: 1.0000e-03  eta: 0:01:23  time: 0.0141  …".
std::string console_line(const LogRecord& record);
/// {"mode": "train", "epoch": 1, "iter": 100, "step": 100, "lr": …}, with all digits.
std::string json_line(const LogRecord& record);
/// "0:01:23", "2 days, 3:04:05", as Python writes a timedelta.
std::string duration_text(double seconds);

}  // namespace ailab
