#include "run_page.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>

#include "ailab/support/number_text.hpp"

namespace ailab::report {
namespace {

std::string number_text(double value) {
    return general_text(value, 6);
}

std::string fact(const Node& node, const char* key) {
    const Node* found = node.find(key);
    if (!found) return "";
    return found->is_string() ? found->as_string() : found->flow();
}

std::string duration_text(double seconds) {
    const auto whole = int64_t(seconds);
    char text[32];
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", static_cast<long long>(whole / 3600),
                  static_cast<long long>(whole / 60 % 60), static_cast<long long>(whole % 60));
    return text;
}

void add_facts(const RunRecord& record, Page& page) {
    std::vector<std::vector<std::string>> rows = {{"folder", record.folder},
                                                  {"state", record.state}};
    if (record.duration) rows.push_back({"duration", duration_text(*record.duration)});
    for (const char* key : {"device", "world_size", "backend", "threads"})
        if (const std::string text = fact(record.environment, key); !text.empty())
            rows.push_back({key, text});
    if (record.summary)
        for (const char* key : {"samples_per_second", "time_to_first_step", "peak_memory"})
            if (const Node* value = record.summary->find(key); value && value->is_number())
                rows.push_back({key, number_text(value->as_float())});
    page.table({}, rows);
}

enum class Group { metric, rate, speed };

Group group_of(const std::string& name) {
    if (name == "lr" || name.ends_with("_lr") || name.ends_with("grad_norm") || name == "momentum")
        return Group::rate;
    constexpr std::array speeds = {"time",        "data_time",      "read_time",
                                   "decode_time", "transform_time", "memory"};
    return std::find(speeds.begin(), speeds.end(), name) != speeds.end() ? Group::speed
                                                                         : Group::metric;
}

/// A chart for each name, with the phases as curves.
void add_charts(const RunRecord& record, Group group, const char* title, Page& page) {
    std::vector<std::string> names;
    for (const std::string& mode : phase_names())
        for (const std::string& name : record.names(mode))
            if (group_of(name) == group &&
                std::find(names.begin(), names.end(), name) == names.end())
                names.push_back(name);
    if (names.empty()) return;
    page.heading(title);
    for (const std::string& name : names) {
        Chart chart{name, "optimizer step", {}};
        for (const std::string& mode : phase_names()) {
            if (group == Group::speed && mode != phase_name(Phase::train)) continue;
            Curve curve = record.curve(mode, name);
            curve.name = mode;
            chart.curves.push_back(std::move(curve));
        }
        page.chart(chart);
    }
}

/// The seconds of an iteration, and what the loader's threads spent on it.
void add_speed(const RunRecord& record, Page& page) {
    Chart chart{"seconds an iteration", "optimizer step", {}};
    for (const char* name : {"time", "data_time", "read_time", "decode_time", "transform_time"}) {
        Curve curve = record.curve("train", name);
        if (!curve.y.empty()) chart.curves.push_back(std::move(curve));
    }
    Curve rate = record.curve("train", "time");
    rate.name = "iterations a second";
    for (double& value : rate.y) value = 1 / value;
    const Chart throughput{"throughput", "optimizer step", {rate}};
    if (chart.curves.empty()) return;
    page.heading("Speed");
    page.chart(throughput);
    page.chart(chart);
    page.chart({"memory (MB)", "optimizer step", {record.curve("train", "memory")}});
}

}  // namespace

Page run_page(const RunRecord& record, const FindingsByPhase& findings) {
    Page page(concat("Run ", std::filesystem::path(record.folder).filename().string()));
    add_facts(record, page);
    if (record.lines.empty())
        page.paragraph(
            "There are no curves yet: they are the lines of the LoggerHook's "
            "metrics.jsonl in this folder.");
    std::vector<std::vector<std::string>> results;
    for (const char* mode : {"val", "test"})
        for (const std::string& name : record.names(mode)) {
            const Curve curve = record.curve(mode, name);
            if (group_of(name) == Group::metric && !curve.y.empty())
                results.push_back({mode, name, number_text(curve.y.back())});
        }
    if (!results.empty()) {
        page.heading("Newest results");
        page.table({"phase", "name", "value"}, results);
    }
    add_charts(record, Group::metric, "Losses and metrics", page);
    add_charts(record, Group::rate, "Learning rate", page);
    add_speed(record, page);
    for (const auto& [phase, found] : findings) found->show(page, phase);
    page.heading("How it was run");
    page.text("Configuration", record.config);
    std::string environment;
    for (const Member& member : record.environment.members())
        environment +=
            concat(member.key, ": ",
                   member.value.is_string() ? member.value.as_string() : member.value.flow(), "\n");
    page.text("Environment", environment);
    return page;
}

}  // namespace ailab::report
