#include "ailab/error.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <tuple>

namespace ailab {
namespace {

/// Problems without a place first, then the command line in its order, then files by line and
/// column.
auto sort_key(const Problem& problem) {
    const Place& place = problem.place;
    const bool in_file = place.line > 0;
    return std::tuple(in_file, in_file ? *place.source : "", place.line, place.column);
}

std::vector<Problem> in_order(std::vector<Problem> problems) {
    std::stable_sort(problems.begin(), problems.end(),
                     [](const Problem& a, const Problem& b) { return sort_key(a) < sort_key(b); });
    std::vector<Problem> kept;
    std::set<std::pair<std::string, std::string>> seen;
    for (Problem& problem : problems)
        if (seen.emplace(problem.place.str(), problem.text).second)
            kept.push_back(std::move(problem));
    return kept;
}

std::string lines(const std::vector<Problem>& problems) {
    std::vector<std::string> texts;
    for (const Problem& problem : problems) {
        const std::string place = problem.place.str();
        texts.push_back(place.empty() ? problem.text : place + ": " + problem.text);
    }
    return join(texts, "\n");
}

/// Two letters swapped count as one mistake.
size_t edit_distance(const std::string& a, const std::string& b) {
    std::vector<size_t> two_above, above, row(b.size() + 1);
    for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= a.size(); ++i) {
        two_above = std::move(above);
        above = row;
        row[0] = i;
        for (size_t j = 1; j <= b.size(); ++j) {
            const size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, replaced});
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) row[j] = std::min(row[j], two_above[j - 2] + 1);
        }
    }
    return row[b.size()];
}

/// Case and separators are what people get wrong first.
std::string folded(const std::string& name) {
    std::string out;
    for (const char c : name)
        if (c != '_' && c != '-') out += c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
    return out;
}

}  // namespace

namespace detail {

std::string concat_parts(std::initializer_list<std::string> parts) {
    std::string out;
    for (const std::string& part : parts) out += part;
    return out;
}

std::string to_text(double value) {
    if (std::isnan(value)) return "nan";
    char buffer[40];
    const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
    return std::string(buffer, result.ptr);
}

}  // namespace detail

Error::~Error() = default;
ConfigError::~ConfigError() = default;

ConfigError::ConfigError(std::vector<Problem> problems)
    : Error(lines(in_order(problems))), problems_(in_order(std::move(problems))) {}

ConfigError::ConfigError(const std::string& text) : Error(text), problems_{{Place(), text}} {}

void Problems::add(const Place& place, std::string text) {
    list_.push_back({place, std::move(text)});
}

void Problems::check() const {
    if (!list_.empty()) throw ConfigError(list_);
}

std::string nearest_name(const std::string& name, const std::vector<std::string>& known) {
    constexpr size_t longest = 200;  // the search is quadratic
    if (name.empty() || name.size() > longest) return "";
    const std::string folded_name = folded(name);
    std::string best;
    size_t best_distance = std::max<size_t>(1, folded_name.size() / 4) + 1;
    for (const std::string& candidate : known) {
        const std::string other = folded(candidate);
        if (other.size() > longest) continue;
        const size_t distance = edit_distance(folded_name, other);
        // A name that shares nothing is no help: "x" for "lr".
        if (distance < best_distance && distance < other.size()) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

std::string join(const std::vector<std::string>& items, const std::string& separator) {
    std::string out;
    for (const std::string& item : items) {
        if (&item != &items.front()) out += separator;
        out += item;
    }
    return out;
}

}  // namespace ailab
