#include "ailab/support/run_record.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <filesystem>
#include <sstream>
#include <unordered_set>

#include "ailab/error.hpp"
#include "ailab/support/regular_file.hpp"
#include "config/formats.hpp"
#include "work_dir/run_end.hpp"
#include "work_dir/run_lock.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

/// "" for a file that is not there.
std::string text_of(const fs::path& path) {
    constexpr uint64_t most_bytes = uint64_t(16) << 30;
    std::error_code ignored;
    return fs::exists(path, ignored) ? read_regular_file(path.string(), most_bytes) : "";
}

/// When the run was started, in seconds since 1970. Its folder's name tells it in the time of where
/// it ran, which need not be that of here: for runs of an older ailab. 0 when it is another name.
time_t begin_of(const fs::path& folder, const Node& environment) {
    if (const Node* start = environment.find("started_at"); start && start->is_int())
        return time_t(start->as_int());
    tm local{};
    local.tm_isdst = -1;
    const std::string name = folder.filename().string();
    if (!strptime(name.c_str(), "%Y%m%d_%H%M%S", &local)) return 0;
    return mktime(&local);
}

std::optional<double> duration_of(const RunRecord& record, const fs::path& log) {
    struct stat info {};
    const time_t begin = begin_of(record.folder, record.environment);
    if (begin == 0 || stat(log.c_str(), &info) != 0) return std::nullopt;
    return std::max(0.0, difftime(info.st_mtime, begin));
}

void read_lines(const fs::path& path, RunRecord& record) {
    std::istringstream file(text_of(path));
    for (std::string line; std::getline(file, line);) {
        Node node;
        try {
            node = from_json(line, path.string());
        } catch (const Error&) {
            continue;  // cut off, by a kill or a full disk
        }
        const Node* mode = node.find("mode");
        if (!mode || !mode->is_string()) continue;
        if (mode->as_string() == "summary")
            record.summary = std::move(node);
        else {
            record.lines.push_back(std::move(node));
            record.summary.reset();  // the run went on
        }
    }
}

std::string mode_of(const Node& line) {
    return line.find("mode")->as_string();
}

/// Runs of an earlier ailab have left their end in the lines of the LoggerHook alone.
std::string state_of(const RunRecord& record) {
    if (const auto end = read_run_end(record.folder)) return *end;
    const Node* exit = record.summary ? record.summary->find("exit") : nullptr;
    if (exit && exit->is_string()) return exit->as_string();
    return is_run_alive(record.folder) ? "running" : "broken off";
}

}  // namespace

std::vector<std::string> RunRecord::names(const std::string& mode) const {
    constexpr std::array counters = {"epoch", "iter", "iters", "step"};
    std::vector<std::string> names;
    std::unordered_set<std::string> seen;
    for (const Node& line : lines) {
        if (mode_of(line) != mode) continue;
        for (const Member& member : line.members()) {
            if (!member.value.is_number() && !member.value.is_null()) continue;
            const bool counts =
                std::find(counters.begin(), counters.end(), member.key) != counters.end();
            if (!counts && seen.insert(member.key).second) names.push_back(member.key);
        }
    }
    return names;
}

Curve RunRecord::curve(const std::string& mode, const std::string& name) const {
    Curve curve{name, {}, {}};
    for (const Node& line : lines) {
        if (mode_of(line) != mode) continue;
        const Node* value = line.find(name);
        const Node* step = line.find("step");
        if (!value || !value->is_number() || !step || !step->is_number()) continue;
        curve.x.push_back(step->as_float());
        curve.y.push_back(value->as_float());
    }
    return curve;
}

RunRecord read_run(const std::string& folder) {
    RunRecord record;
    std::error_code error;
    const fs::path path = fs::canonical(folder, error);
    if (error || !fs::exists(path / "config.yaml", error))
        throw Error(concat(folder,
                           " is no run's folder (there is no config.yaml in it); runs are "
                           "<work_dir>/<start time>, the newest is <work_dir>/latest"));
    record.folder = path.string();
    record.config = text_of(path / "config.yaml");
    const fs::path environment = path / "environment.json";
    try {
        if (const std::string text = text_of(environment); !text.empty())
            record.environment = from_json(text, environment.string());
    } catch (const Error&) {
        // Cut off by a kill: what is taken from it is known without it, too.
    }
    const fs::path log = path / "metrics.jsonl";
    read_lines(log, record);
    record.state = state_of(record);
    record.duration = duration_of(record, log);
    return record;
}

}  // namespace ailab
