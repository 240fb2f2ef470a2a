#include "schedule_counts.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace ailab {
namespace {

/// Options in the unit that the schedule counts in, by torch's names; the first ones are the length
/// of the whole schedule.
constexpr std::array<std::string_view, 9> times = {
    "total_iters", "total_steps",  "T_max",          "milestones",  "step_size",
    "T_0",         "step_size_up", "step_size_down", "warmup_steps"};
constexpr size_t lengths = 3;

/// These begin a run, and are short.
bool is_warm_up(const Node& schedule) {
    const Node* type = schedule.find("type");
    return type && type->is_string() &&
           (type->as_string() == "LinearLR" || type->as_string() == "ConstantLR");
}

/// What counting epochs makes of a time, if it looks like steps or iterations.
std::string as_epochs(const std::string& name, int64_t time, const Progress& run) {
    constexpr int64_t far = 10;  // runs are tried with a few epochs of many
    if (time <= run.total_epochs) return "";
    const char* same = time == run.total_steps         ? " (and as many optimizer steps as that)"
                       : time == run.total_train_iters ? " (and as many iterations as that)"
                                                       : "";
    // A run that ends by iterations does not say how many epochs it has.
    const bool knows = run.total_epochs > 0;
    if (*same == '\0' && (!knows || time <= far * run.total_epochs)) return "";
    return concat(name, " ", time, " is understood as epochs",
                  knows ? concat(", of which the run has ", run.total_epochs) : std::string(), same,
                  ". by: iter counts optimizer steps, ", run.total_steps, " in all");
}

/// What counting steps makes of a length that is exactly the run's in something else.
std::string as_steps(const std::string& name, int64_t length, const Progress& run) {
    if (length == run.total_steps || length <= 1) return "";
    const std::string understood =
        concat(name, " ", length, " is understood as optimizer steps, of which the run has ",
               run.total_steps);
    if (length == run.total_epochs)
        return concat(understood, " (and as many epochs as that). by: epoch counts epochs");
    if (length == run.total_train_iters)
        return concat(understood,
                      " (and as many iterations as that, of which accumulative_counts make one "
                      "step)");
    return "";
}

void look_at(const Node& node, bool by_epoch, const Progress& run,
             std::vector<std::string>& found) {
    if (node.is_list())
        for (const Node& item : node.items()) look_at(item, by_epoch, run, found);
    if (!node.is_map()) return;
    for (const Member& member : node.members()) {
        const auto place = std::find(times.begin(), times.end(), member.key);
        if (place == times.end()) {
            look_at(member.value, by_epoch, run, found);
            continue;
        }
        const bool is_length = size_t(place - times.begin()) < lengths && !is_warm_up(node);
        if (!by_epoch && !is_length) continue;
        const Node::List values =
            member.value.is_list() ? member.value.items() : Node::List{member.value};
        for (const Node& value : values) {
            if (!value.is_int()) continue;
            std::string doubt = by_epoch ? as_epochs(member.key, value.as_int(), run)
                                         : as_steps(member.key, value.as_int(), run);
            if (!doubt.empty()) {
                found.push_back(std::move(doubt));
                break;  // one of a list is enough
            }
        }
    }
}

}  // namespace

std::vector<std::string> doubtful_times(const Node& schedule, bool by_epoch, const Progress& run) {
    std::vector<std::string> found;
    look_at(schedule, by_epoch, run, found);
    return found;
}

}  // namespace ailab
