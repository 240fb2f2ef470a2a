#include "warnings.hpp"

#include <algorithm>

#include "ailab/error.hpp"

namespace ailab::dist {

std::string told_by(const std::set<int>& ranks, const std::string& text) {
    std::vector<std::string> spans;
    for (auto first = ranks.begin(); first != ranks.end();) {
        auto next = first;
        int last = *first;
        while (++next != ranks.end() && *next == last + 1) last = *next;
        spans.push_back(last == *first ? concat(last) : concat(*first, "-", last));
        first = next;
    }
    return concat(ranks.size() == 1 ? "[rank " : "[ranks ", join(spans), "] ", text);
}

void WarningCollector::add(int rank, const std::string& text, Clock::time_point now) {
    const auto same = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
        return entry.text == text && entry.ranks.count(rank) == 0;
    });
    if (same != entries_.end())
        same->ranks.insert(rank);
    else
        entries_.push_back({text, {rank}, now + moment});
}

std::vector<std::string> WarningCollector::take_due(Clock::time_point now) {
    std::vector<std::string> lines;
    const auto due = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.due > now; });
    for (auto entry = entries_.begin(); entry != due; ++entry)
        lines.push_back(told_by(entry->ranks, entry->text));
    entries_.erase(entries_.begin(), due);
    return lines;
}

std::vector<std::string> WarningCollector::take_all() {
    return take_due(Clock::time_point::max());
}

std::optional<Clock::time_point> WarningCollector::next() const {
    if (entries_.empty()) return std::nullopt;
    return entries_.front().due;
}

}  // namespace ailab::dist
