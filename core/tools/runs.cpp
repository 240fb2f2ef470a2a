#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>

#include "ailab/error.hpp"
#include "ailab/support/better.hpp"
#include "ailab/support/run_record.hpp"
#include "config/formats.hpp"
#include "config/yaml_reader.hpp"
#include "config_differences.hpp"
#include "page/escape.hpp"
#include "report/text_table.hpp"
#include "tools.hpp"
#include "work_dir/output_place.hpp"
#include "work_dir/run_folder.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

/// A run as far as it can be read.
struct ListedRun {
    RunRecord record;
    FlatConfig config;
    std::string problem;  // why there is no more, or ""
};

ListedRun list_run(const std::string& folder) {
    ListedRun run;
    run.record.folder = folder;
    run.record.state = "damaged";
    try {
        run.record = read_run(folder);
        run.config = flatten_config(run.record.config, run.record.folder + "/config.yaml");
    } catch (const Error& error) {
        run.problem = error.what();
        std::replace(run.problem.begin(), run.problem.end(), '\n', ' ');
    }
    return run;
}

/// A run's folder itself, or those of a work_dir. One that is damaged hides no other.
std::vector<ListedRun> runs_of(const std::string& given) {
    std::error_code error;
    if (fs::exists(fs::path(given) / "config.yaml", error)) return {list_run(given)};
    if (!fs::is_directory(given, error)) throw Error(concat("there is no folder ", given));
    std::vector<std::string> folders;
    for (const auto& entry : fs::directory_iterator(given))
        if (!entry.is_symlink() && fs::exists(entry.path() / "config.yaml", error))
            folders.push_back(entry.path().string());
    std::sort(folders.begin(), folders.end());
    if (folders.empty()) throw Error(concat("there are no runs in ", given));
    std::vector<ListedRun> runs;
    for (const std::string& folder : folders) runs.push_back(list_run(folder));
    return runs;
}

bool is_loss(const std::string& name) {
    return name.find("loss") != std::string::npos;
}

/// Whether less of a result is better, as its metric has told. Of runs of an earlier ailab the
/// metric's type says more than the name that the user gave it (`m: {type: MeanAbsoluteError}`). Of
/// names that tell nothing greater is taken.
bool less_is_better(const std::string& name, const RunRecord& record, const FlatConfig& config) {
    if (const Node* told = record.environment.find("greater_is_better"))
        if (const Node* greater = told->find(name); greater && greater->is_bool())
            return !greater->as_bool();
    const std::string key = "." + name + ".type";
    for (const auto& [path, value] : config)
        if (path.starts_with("hooks.") && path.ends_with(key))
            return !greater_is_better_by_name(value).value_or(true);
    return !greater_is_better_by_name(name).value_or(true);
}

/// A number as a number: what flatten_config() wrote as text.
Node value_node(const std::string& flow) {
    Problems problems;
    const Node node = read_yaml(flow, "", problems);
    return problems.empty() ? node : Node::string(flow);
}

/// A result that is followed, and whether less of it is better where the hook says so.
struct Followed {
    std::string name;
    std::optional<bool> less;
};

/// What the run's hooks follow: what the best checkpoint is kept by comes first.
std::vector<Followed> followed_by(const FlatConfig& config) {
    std::vector<Followed> all;
    for (const std::string option : {".save_best", ".monitor"})
        for (const auto& [path, value] : config) {
            if (!path.starts_with("hooks.") || !path.ends_with(option)) continue;
            const std::string owner = path.substr(0, path.size() - option.size());
            const std::string hook = owner.substr(0, owner.find('.', owner.find('.') + 1));
            if (const auto on = config.find(hook + ".enable");
                on != config.end() && on->second == "false")
                continue;
            const Node name = value_node(value);
            if (!name.is_string() || name.as_string().empty()) continue;
            Followed followed{name.as_string(), {}};
            const auto rule = config.find(owner + ".rule");
            if (rule != config.end() && (rule->second == "less" || rule->second == "greater"))
                followed.less = rule->second == "less";
            all.push_back(std::move(followed));
        }
    return all;
}

/// The best of what the run follows; else of an evaluation's first metric, or of its loss.
struct Best {
    std::string mode, name;
    double value = 0;
    int64_t epoch = 0;  // 0: unknown
};

std::optional<Best> best_of(const RunRecord& record, const std::string& mode,
                            const std::string& name, bool less) {
    double best = std::numeric_limits<double>::quiet_NaN();
    double epoch = 0;
    for (const Node& line : record.lines) {
        const Node* value = line.find(name);
        if (line.find("mode")->as_string() != mode || !value || !value->is_number()) continue;
        const double now = value->as_float();
        if (std::isnan(best) || (less ? now < best : now > best)) {
            best = now;
            const Node* at = line.find("epoch");
            epoch = at && at->is_number() ? at->as_float() : 0;
        }
    }
    if (std::isnan(best)) return std::nullopt;
    return Best{mode, name, best, int64_t(epoch)};
}

std::optional<Best> best_of(const RunRecord& record, const FlatConfig& config) {
    const std::vector<Followed> all = followed_by(config);
    for (const char* mode : {"val", "test", "train"}) {
        for (const Followed& followed : all) {
            const bool less = followed.less.value_or(less_is_better(followed.name, record, config));
            if (const auto best = best_of(record, mode, followed.name, less)) return best;
        }
        std::vector<std::string> names = record.names(mode);
        std::erase_if(names, [](const std::string& name) {
            return name == "time" || name == "data_time" || name == "memory" || name == "lr" ||
                   name.ends_with("_time") || name.ends_with("_lr") || name.ends_with("grad_norm");
        });
        if (names.empty()) continue;
        const auto metric = std::find_if_not(names.begin(), names.end(), is_loss);
        const std::string name = metric == names.end() ? names[0] : *metric;
        if (const auto best = best_of(record, mode, name, less_is_better(name, record, config)))
            return best;
    }
    return std::nullopt;
}

/// "val top1 93.4 (epoch 12)"; "" for none.
std::string best_text(const std::optional<Best>& best) {
    return best ? concat(best->mode, " ", best->name, " ", readable(best->value), " (epoch ",
                         best->epoch, ")")
                : "";
}

Node best_node(const std::optional<Best>& best) {
    if (!best) return Node();
    Node node = Node::map();
    node.set("mode", Node::string(best->mode));
    node.set("metric", Node::string(best->name));
    node.set("value", Node(Node::Value(best->value)));
    node.set("epoch", best->epoch > 0 ? Node(best->epoch) : Node());
    return node;
}

std::optional<int64_t> last_epoch(const RunRecord& record) {
    for (auto line = record.lines.rbegin(); line != record.lines.rend(); ++line)
        if (const Node* epoch = line->find("epoch"); epoch && epoch->is_int())
            return epoch->as_int();
    return std::nullopt;
}

std::string epoch_text(const std::optional<int64_t>& epoch) {
    return epoch ? concat(*epoch) : "";
}

/// The whole message is in `--json`, and in the run's log.
std::string cut(const std::string& state) {
    constexpr size_t longest = 48;
    std::string line = state.substr(0, state.find('\n'));
    if (line.size() <= longest && line.size() == state.size()) return line;
    size_t end = std::min(longest, line.size());
    while (end > 0 && end < line.size() && (line[end] & 0xC0) == 0x80) --end;  // inside a character
    return line.substr(0, end) + " …";
}

std::string duration_text(const std::optional<double>& given) {
    if (!given) return "";
    const auto total = int64_t(*given);
    char text[32];
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", static_cast<long long>(total / 3600),
                  static_cast<long long>(total / 60 % 60), static_cast<long long>(total % 60));
    return text;
}

}  // namespace

std::string list_runs(const ToolRequest& request) {
    std::vector<ListedRun> runs;
    for (const std::string& path : request.paths)
        for (ListedRun& run : runs_of(path)) runs.push_back(std::move(run));
    std::vector<FlatConfig> configs;
    for (const ListedRun& run : runs)
        if (run.problem.empty()) configs.push_back(run.config);
    const std::vector<std::string> differing = differing_paths(configs);

    TextTable table({"run", "state", "epoch", "best", "duration", "configuration"});
    Node all = Node::list();
    for (const ListedRun& run : runs) {
        const RunRecord& record = run.record;
        std::vector<std::string> own;
        Node differences = Node::map();
        for (const std::string& path : differing) {
            const auto value = run.config.find(path);
            if (value == run.config.end()) continue;
            own.push_back(path + "=" + value->second);
            differences.set(path, value_node(value->second));
        }
        const std::optional<int64_t> epoch = last_epoch(record);
        const std::optional<Best> best = best_of(record, run.config);
        table.add({fs::path(record.folder).filename().string(), cut(record.state),
                   epoch_text(epoch), best_text(best), duration_text(record.duration),
                   run.problem.empty() ? join(own, " ") : run.problem});
        Node node = Node::map();
        node.set("run", Node::string(record.folder));
        node.set("state", Node::string(record.state));
        node.set("epoch", epoch ? Node(*epoch) : Node());
        node.set("best", best_node(best));
        node.set("seconds", record.duration ? Node(Node::Value(*record.duration)) : Node());
        node.set("configuration", std::move(differences));
        node.set("problem", run.problem.empty() ? Node() : Node::string(run.problem));
        all.items().push_back(std::move(node));
    }
    return request.json ? to_json(all, 2) + "\n" : table.str();
}

std::string compare_runs(const ToolRequest& request) {
    if (request.paths.size() < 2) throw ConfigError("compare takes two runs or more");
    const std::string output = request.output.empty() ? "compare.html" : request.output;
    check_output(output, request.force);
    std::vector<RunRecord> records;
    std::vector<FlatConfig> configs;
    std::vector<std::string> labels;
    for (const std::string& path : request.paths) {
        records.push_back(read_run(path));
        configs.push_back(flatten_config(records.back().config, path));
        labels.push_back(fs::path(records.back().folder).filename().string());
    }
    for (size_t i = 0; i < labels.size(); ++i)  // of other work_dirs
        if (std::count(labels.begin(), labels.end(), labels[i]) > 1)
            labels[i] = fs::path(records[i].folder).parent_path().filename().string() + "/" +
                        fs::path(records[i].folder).filename().string();

    Page page(concat("Runs compared: ", join(labels)));
    std::vector<std::vector<std::string>> rows;
    for (size_t i = 0; i < records.size(); ++i)
        rows.push_back(
            {labels[i], records[i].folder, records[i].state, epoch_text(last_epoch(records[i])),
             best_text(best_of(records[i], configs[i])), duration_text(records[i].duration)});
    page.table({"run", "folder", "state", "epoch", "best", "duration"}, rows);
    for (const std::string& mode : phase_names()) {
        std::vector<std::string> names;
        for (const RunRecord& record : records)
            for (const std::string& name : record.names(mode))
                if (std::find(names.begin(), names.end(), name) == names.end())
                    names.push_back(name);
        if (!names.empty()) page.heading(mode);
        for (const std::string& name : names) {
            Chart chart{name, "optimizer step", {}};
            for (size_t i = 0; i < records.size(); ++i) {
                chart.curves.push_back(records[i].curve(mode, name));
                chart.curves.back().name = labels[i];
            }
            page.chart(chart);
        }
    }
    page.heading("Where the configurations differ");
    std::vector<std::string> header = {"key"};
    header.insert(header.end(), labels.begin(), labels.end());
    rows.clear();
    for (const std::string& path : differing_paths(configs)) {
        rows.push_back({path});
        for (const FlatConfig& config : configs) {
            const auto value = config.find(path);
            rows.back().push_back(value == config.end() ? "" : value->second);
        }
    }
    rows.empty() ? page.paragraph("They are the same.") : page.table(header, rows);
    write_text_file(output, page.html());
    return output + "\n";
}

}  // namespace ailab
