#include "same_results.hpp"

#include <sstream>

#include "ailab/error.hpp"

namespace ailab {

namespace {

/// A line of name and value for each, since names hold no line ends.
std::string lines_of(const std::vector<std::pair<std::string, double>>& results) {
    std::string text;
    for (const auto& [name, value] : results) text += concat(name, ' ', value, '\n');
    return text;
}

std::vector<std::string> split_lines(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

}  // namespace

void check_same_results(const std::vector<std::pair<std::string, double>>& results, Comm& comm,
                        const std::string& hint) {
    if (comm.world_size() == 1) return;
    const std::vector<std::string> texts = comm.gather_text(lines_of(results));
    const std::vector<std::string> first = split_lines(texts[0]);
    for (size_t rank = 1; rank < texts.size(); ++rank) {
        if (texts[rank] == texts[0]) continue;
        const std::vector<std::string> other = split_lines(texts[rank]);
        for (size_t i = 0; i < std::max(first.size(), other.size()); ++i) {
            const std::string here = i < first.size() ? first[i] : "nothing";
            const std::string there = i < other.size() ? other[i] : "nothing";
            if (here != there)
                throw Error(concat("the ranks have different results: ", here, " on rank 0, ",
                                   there, " on rank ", rank, ". ", hint));
        }
    }
}

}  // namespace ailab
