#include "points.hpp"

namespace ailab::wandb {
namespace {

/// Checkpoints hold null for what is no number.
double number(const Node& node) {
    return node.is_number() ? node.as_float() : SummaryEntry::none;
}

}  // namespace

void Points::add(int64_t step, double timestamp, double runtime, const NamedValues& values) {
    if (!row_) row_ = Row{.step = step};
    row_->timestamp = timestamp;
    row_->runtime = runtime;
    for (const auto& [name, value] : values) row_->set(name, value);
}

std::optional<Points::Change> Points::take() {
    const std::optional<Row> row = std::exchange(row_, std::nullopt);
    if (!row || row->step <= last_step_) return std::nullopt;
    last_step_ = row->step;
    Change change{.row = *row};
    for (const auto& [name, value] : row->values) {
        if (!summary_.contains(name)) change.new_names.push_back(name);
        summary_[name].add(value);
        change.summary[name] = summary_[name];
    }
    return change;
}

void Points::save(Node& values) const {
    Node summary = Node::map();
    for (const auto& [name, entry] : summary_)
        summary.set(name, Node::list({Node(entry.last), Node(entry.min), Node(entry.max)}));
    values.set("last_step", Node(last_step_));
    values.set("summary", std::move(summary));
    if (!row_) return;
    Node begun = Node::map();
    for (const auto& [name, value] : row_->values) begun.set(name, Node(value));
    Node row = Node::map();
    row.set("step", Node(row_->step));
    row.set("timestamp", Node(row_->timestamp));
    row.set("runtime", Node(row_->runtime));
    row.set("values", std::move(begun));
    values.set("row", std::move(row));
}

void Points::load(const Node& values) {
    *this = {};
    last_step_ = values.find("last_step")->as_int();
    for (const Member& member : values.find("summary")->members()) {
        const Node::List& entry = member.value.items();
        summary_[member.key] = {number(entry.at(0)), number(entry.at(1)), number(entry.at(2))};
    }
    const Node* row = values.find("row");
    if (!row) return;
    row_ = Row{.step = row->find("step")->as_int(),
               .timestamp = number(*row->find("timestamp")),
               .runtime = number(*row->find("runtime"))};
    for (const Member& member : row->find("values")->members())
        row_->values.emplace_back(member.key, number(member.value));
}

}  // namespace ailab::wandb
