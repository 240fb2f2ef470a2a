#include "log_items.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "ailab/error.hpp"

namespace ailab {
namespace {

using Source = LogItem::Source;
using Words = std::vector<std::string>;

const Words heads = {"optimizer", "metrics", "losses", "meters", "time", "memory", "progress"};
const Words group_fields = {"lr", "weight_decay", "momentum"};
const Words meter_fields = {"avg", "val"};
const Words time_fields = {"iteration", "data"};
const Words progress_fields = {"epoch", "iter", "step", "samples"};
const char* const groups_word = "param_groups";

bool contains(const Words& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

Words split(const std::string& path) {
    Words parts;
    for (size_t begin = 0; begin <= path.size();) {
        const size_t end = std::min(path.find('.', begin), path.size());
        parts.push_back(path.substr(begin, end - begin));
        begin = end + 1;
    }
    return parts;
}

std::optional<int64_t> index(const std::string& text) {
    int64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || stop != end || number < 0) return std::nullopt;
    return number;
}

/// Reads one path. Where a word is wrong, `nearest` becomes the path that may be meant.
class PathReader {
  public:
    PathReader(LogItem& item) : item_(item), parts_(split(item.path)) {}

    bool read() {
        if (!is_one_of(0, heads)) return false;
        const std::string& head = parts_[0];
        if (head == "optimizer") return read_group();
        if (head == "memory") return last(0, Source::memory);
        if (head == "time") return is_one_of(1, time_fields) && last(1, Source::time);
        if (head == "progress") return is_one_of(1, progress_fields) && last(1, Source::progress);
        return read_value(head == "meters");
    }
    const std::string& nearest() const { return nearest_; }

  private:
    bool has(size_t at) const { return at < parts_.size(); }

    bool is_one_of(size_t at, const Words& words) {
        if (!has(at)) return false;
        if (contains(words, parts_[at])) return true;
        const std::string near = nearest_name(parts_[at], words);
        if (near.empty()) return false;
        Words meant = parts_;
        meant[at] = near;
        nearest_ = join(meant, ".");
        return false;
    }

    bool last(size_t at, Source source) {
        item_.source = source;
        item_.field = parts_[at];
        return at + 1 == parts_.size();
    }

    /// optimizer[.NAME].param_groups.N.lr
    bool read_group() {
        const bool named = has(2) && parts_[2] == groups_word;
        if (named) item_.key = parts_[1];
        const size_t at = named ? 2 : 1;
        if (!is_one_of(at, {groups_word}) || !has(at + 1)) return false;
        const std::optional<int64_t> number = index(parts_[at + 1]);
        if (!number) return false;
        item_.group = *number;
        return is_one_of(at + 2, group_fields) && last(at + 2, Source::group);
    }

    /// metrics.NAME, losses.NAME, meters.NAME.avg; a name may have dots of its own.
    bool read_value(bool of_meter) {
        const size_t end = parts_.size() - (of_meter ? 1 : 0);
        if (end < 2 || (of_meter && !is_one_of(end, meter_fields))) return false;
        item_.source = of_meter && parts_.back() == "avg" ? Source::average : Source::value;
        item_.key = join(Words(parts_.begin() + 1, parts_.begin() + std::ptrdiff_t(end)), ".");
        return !item_.key.empty();
    }

    LogItem& item_;
    const Words parts_;
    std::string nearest_;
};

/// What this run computes, as far as it is known before.
struct KnownValues {
    explicit KnownValues(const RunPlan& plan) {
        std::set<std::string> all = {"loss"};
        for (const auto& [phase, results] : plan.results)
            all.insert(results.begin(), results.end());
        names.assign(all.begin(), all.end());
        // The loss's terms are told with an evaluation; a model that owns its step records what it
        // likes, and then its fields are not known.
        bool evaluates = false, any_step = false;
        for (const Phase phase : plan.phases) {
            const auto fields = plan.fields.find(phase);
            if (phase != Phase::train)
                evaluates = true;
            else if (fields == plan.fields.end() || fields->second.empty())
                any_step = true;
        }
        losses_are_known = evaluates && !any_step;
    }
    Words names;
    bool losses_are_known = false;
};

std::string meant(const std::string& nearest) {
    return nearest.empty() ? "" : concat("; did you mean \"", nearest, "\"?");
}

/// What is wrong with a value that nobody computes, or "".
std::string unknown_value(const LogItem& item, const KnownValues& known) {
    if (item.source != Source::value && item.source != Source::average) return "";
    if (contains(known.names, item.key)) return "";
    const std::string nearest = nearest_name(item.key, known.names);
    const std::string head = item.path.substr(0, item.path.find('.'));
    // Hooks may record scalars of any name; a slip of the pen is still found.
    if (head == "meters" && nearest.empty()) return "";
    if (head == "losses" && !known.losses_are_known) return "";
    return concat("this run computes no \"", item.key, "\"",
                  nearest.empty() ? concat("; it has ", join(known.names)) : meant(nearest));
}

double group_value(const LogItem& item, Run& run) {
    const ParamGroup& group = run.optimizers().at(item.key)->groups()[size_t(item.group)];
    if (item.field == "lr") return group.lr;
    return item.field == "weight_decay" ? group.weight_decay : *group.momentum;
}

std::optional<double> find(const NamedValues& values, const std::string& name) {
    for (const auto& [known, value] : values)
        if (known == name) return value;
    return std::nullopt;
}

std::optional<double> value_of(const LogItem& item, const LogRecord& record, Run& run,
                               const NamedValues& averages) {
    const Progress& progress = run.progress();
    switch (item.source) {
        case Source::group:
            return group_value(item, run);
        case Source::average:
            if (record.phase == Phase::train) return find(averages, item.key);
            [[fallthrough]];
        case Source::value:
            return find(record.values, item.key);
        case Source::time:
            if (item.field == "iteration") return record.time;
            if (record.data_time < 0) return std::nullopt;
            return record.data_time;
        case Source::memory:
            return double(record.memory);
        case Source::progress:
            if (item.field == "epoch") return double(record.epoch);
            if (item.field == "iter") return double(progress.iter + 1);
            return double(item.field == "step" ? progress.step : progress.samples);
    }
    return std::nullopt;
}

}  // namespace

std::vector<LogItem> read_log_items(const std::map<std::string, Node>& option, const RunPlan& plan,
                                    Problems& problems) {
    const KnownValues known(plan);
    std::vector<LogItem> items;
    for (const auto& [name, node] : option) {
        const auto refuse = [&, &key = name, &place = node.place](const std::string& why) {
            problems.add(place, concat("LoggerHook, log_items.", key, ": ", why));
        };
        if (!node.is_string()) {
            refuse(concat("expected a path such as optimizer.param_groups.0.lr, got ",
                          node.describe()));
            continue;
        }
        LogItem item{.name = name, .path = node.as_string(), .place = node.place};
        PathReader reader(item);
        if (contains(line_keys(), name))
            refuse("every line has a value of this name; choose another");
        else if (!reader.read())
            refuse(concat("\"", item.path, "\" names no value of a run",
                          reader.nearest().empty() ? concat("; there are ", log_item_paths)
                                                   : meant(reader.nearest())));
        else if (const std::string why = unknown_value(item, known); !why.empty())
            refuse(concat(item.path, ": ", why));
        else
            items.push_back(std::move(item));
    }
    return items;
}

void check_groups(const std::vector<LogItem>& items, Run& run) {
    for (const LogItem& item : items) {
        if (item.source != Source::group) continue;
        const auto refuse = [&](const std::string& why) {
            throw Error(concat("log_items.", item.name, ", ", item.path, ": ", why));
        };
        const auto found = run.optimizers().find(item.key);
        if (found == run.optimizers().end()) {
            Words names;
            for (const auto& [name, optimizer] : run.optimizers()) names.push_back(name);
            if (item.key.empty() || names == Words{""})
                refuse(item.key.empty() ? concat("this run's optimizers have names: ", join(names))
                                        : "this run's optimizer has no name; leave it out");
            refuse(concat("there is no optimizer ", item.key, "; there are ", join(names)));
        }
        const std::vector<ParamGroup>& groups = found->second->groups();
        if (size_t(item.group) >= groups.size())
            refuse(concat("the optimizer has ", groups.size(), " groups, counted from 0"));
        if (item.field == "momentum" && !groups[size_t(item.group)].momentum)
            refuse("this optimizer has no momentum");
    }
}

void add_log_items(LogRecord& record, const std::vector<LogItem>& items, Run& run,
                   const NamedValues& averages) {
    NamedValues added;
    for (const LogItem& item : items)
        if (const auto value = value_of(item, record, run, averages))
            added.emplace_back(item.name, *value);
    for (const auto& [name, value] : added) {
        bool replaced = false;
        for (NamedValues* usual : {&record.lr, &record.values})
            for (auto& [known, old] : *usual)
                if (known == name) {
                    old = value;
                    replaced = true;
                }
        if (!replaced) record.items.emplace_back(name, value);
    }
}

}  // namespace ailab
