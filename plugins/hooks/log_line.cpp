#include "log_line.hpp"

#include <algorithm>
#include <cstdio>

#include "ailab/support/number_text.hpp"
#include "json_line.hpp"

namespace ailab {
namespace {

/// "[1][ 99/469]", or "[ 99/469]" for a run by iterations.
std::string counts(const LogRecord& record) {
    const std::string total = std::to_string(record.iters);
    std::string iter = std::to_string(record.iter);
    iter.insert(0, total.size() - std::min(total.size(), iter.size()), ' ');
    return (record.by_iter ? "" : concat("[", record.epoch, "]")) + "[" + iter + "/" + total + "]";
}

}  // namespace

const std::vector<std::string>& line_keys() {
    static const std::vector<std::string> keys = {
        "mode", "epoch",     "iter",      "iters",       "step",           "eta",
        "time", "data_time", "read_time", "decode_time", "transform_time", "memory"};
    return keys;
}

std::string duration_text(double seconds) {
    const auto whole = int64_t(seconds);
    const int64_t days = whole / 86400;
    char clock[32];
    std::snprintf(clock, sizeof clock, "%d:%02d:%02d", int(whole / 3600 % 24), int(whole / 60 % 60),
                  int(whole % 60));
    if (days == 0) return clock;
    return concat(days, days == 1 ? " day, " : " days, ", clock);
}

std::string console_line(const LogRecord& record) {
    std::string line =
        concat(record.by_iter ? "Iter(" : "Epoch(", phase_name(record.phase), ") ", counts(record));
    auto add = [&](const std::string& name, const std::string& text) {
        line += "  " + name + ": " + text;
    };
    for (const auto& [name, value] : record.lr) add(name, scientific_text(value, 4));
    if (record.eta >= 0) add("eta", duration_text(record.eta));
    if (record.phase != Phase::train)
        for (const auto& [name, value] : record.values) add(name, fixed_text(value, 4));
    add("time", fixed_text(record.time, 4));
    if (record.data_time >= 0) add("data_time", fixed_text(record.data_time, 4));
    add("memory", std::to_string(record.memory));
    if (record.phase == Phase::train)
        for (const auto& [name, value] : record.values) add(name, fixed_text(value, 4));
    for (const auto& [name, value] : record.items) add(name, general_text(value, 6));
    return line;
}

std::string json_line(const LogRecord& record) {
    JsonLine line;
    line.add("mode", std::string(phase_name(record.phase)));
    line.add("epoch", record.epoch).add("iter", record.iter).add("step", record.step);
    for (const auto& [name, value] : record.lr) line.add(name, value);
    line.add("time", record.time);
    if (record.data_time >= 0) line.add("data_time", record.data_time);
    if (record.read_time > 0) line.add("read_time", record.read_time);
    if (record.decode_time > 0) line.add("decode_time", record.decode_time);
    if (record.transform_time > 0) line.add("transform_time", record.transform_time);
    line.add("memory", record.memory);
    for (const NamedValues* values : {&record.values, &record.items})
        for (const auto& [name, value] : *values) line.add(name, value);
    return line.str();
}

}  // namespace ailab
