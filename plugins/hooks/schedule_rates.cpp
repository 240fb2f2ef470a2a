#include "schedule_rates.hpp"

#include <optional>

namespace ailab {
namespace {

std::optional<double> rate_of(const Node& schedule, const char* option) {
    const Node* found = schedule.find(option);
    return found && found->is_number() ? std::optional(found->as_float()) : std::nullopt;
}

/// By torch's names.
void look_at_rates(const Node& node, double lr, std::vector<std::string>& found) {
    if (node.is_list())
        for (const Node& item : node.items()) look_at_rates(item, lr, found);
    if (!node.is_map()) return;
    if (const auto least = rate_of(node, "eta_min"); least && *least > lr)
        found.push_back(concat("eta_min ", *least, " lies above the learning rate ", lr,
                               ": the rate goes up to it, not down"));
    if (const auto least = rate_of(node, "min_lr"); least && *least >= lr)
        found.push_back(concat("min_lr ", *least, " does not lie below the learning rate ", lr,
                               ": the rate is never reduced"));
    // Without base_lr the configured one is the lowest.
    const Node* base = node.find("base_lr");
    if (const auto most = rate_of(node, "max_lr"); most && base && base->is_null() && *most < lr)
        found.push_back(concat("max_lr ", *most, " lies below the learning rate ", lr,
                               ", which is the lowest one without base_lr: the rate goes down to "
                               "it, not up"));
    for (const Member& member : node.members()) look_at_rates(member.value, lr, found);
}

}  // namespace

std::vector<std::string> doubtful_rates(const Node& schedule, double learning_rate) {
    std::vector<std::string> found;
    look_at_rates(schedule, learning_rate, found);
    return found;
}

}  // namespace ailab
