#include "confusion.hpp"

#include <algorithm>
#include <tuple>

#include "ailab/support/number_text.hpp"

namespace ailab::tasks {
namespace {

/// Classes of which all pairs are shown.
constexpr int64_t most_in_matrix = 40;

std::string percent_of(double part, double whole) {
    return whole == 0 ? "" : fixed_text(100 * part / whole, 2);
}

/// Names by number, where there are any; else the numbers.
std::string name_of(const std::vector<std::string>& names, int64_t index) {
    const bool known = index >= 0 && index < int64_t(names.size());
    return known ? names[size_t(index)] : std::to_string(index);
}

}  // namespace

std::string percent(double share) {
    return fixed_text(100 * share, 1) + " %";
}

void Confusion::add(int64_t classes, int64_t label, int64_t predicted) {
    if (empty()) counts_ = at::zeros({classes, classes}, at::kLong);
    if (label >= 0 && label < classes)
        ++counts_.mutable_data_ptr<int64_t>()[label * classes + predicted];
}

void Confusion::reduce(Comm& comm) {
    // A rank may have had no samples.
    Tensor classes = at::full({1}, this->classes(), at::kLong);
    comm.all_reduce_max(classes);
    const int64_t all = classes.item<int64_t>();
    if (all == 0) return;
    if (empty()) counts_ = at::zeros({all, all}, at::kLong);
    comm.all_reduce_sum(counts_);
}

int64_t Confusion::count(int64_t label, int64_t predicted) const {
    return counts_.const_data_ptr<int64_t>()[label * classes() + predicted];
}

const std::vector<std::string>& Confusion::per_class_header() {
    static const std::vector<std::string> header = {"class", "samples", "precision", "recall",
                                                    "F1"};
    return header;
}

std::vector<std::vector<std::string>> Confusion::per_class(
    const std::vector<std::string>& names) const {
    std::vector<std::vector<std::string>> rows;
    for (int64_t i = 0; i < classes(); ++i) {
        int64_t samples = 0, predicted = 0;
        for (int64_t j = 0; j < classes(); ++j) {
            samples += count(i, j);
            predicted += count(j, i);
        }
        const auto right = double(count(i, i));
        rows.push_back({name_of(names, i), std::to_string(samples),
                        percent_of(right, double(predicted)), percent_of(right, double(samples)),
                        percent_of(2 * right, double(samples + predicted))});
    }
    return rows;
}

void show_confusion(Page& page, const Confusion& confusion, const std::vector<std::string>& names,
                    const std::string& phase) {
    const int64_t classes = confusion.classes();
    page.heading(concat("Classes, ", phase));
    page.table(Confusion::per_class_header(), confusion.per_class(names));
    if (classes <= most_in_matrix) {
        std::vector<std::string> labels;
        std::vector<std::vector<int64_t>> counts;
        for (int64_t i = 0; i < classes; ++i) {
            labels.push_back(name_of(names, i));
            counts.emplace_back();
            for (int64_t j = 0; j < classes; ++j) counts.back().push_back(confusion.count(i, j));
        }
        page.heading(concat("Confusion matrix, ", phase));
        page.matrix(labels, counts, "label", "predicted");
        return;
    }
    struct Pair {
        int64_t count, label, predicted;
    };
    std::vector<Pair> pairs;
    for (int64_t i = 0; i < classes; ++i)
        for (int64_t j = 0; j < classes; ++j)
            if (i != j && confusion.count(i, j) > 0) pairs.push_back({confusion.count(i, j), i, j});
    std::sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) {
        return std::tuple(-a.count, a.label, a.predicted) <
               std::tuple(-b.count, b.label, b.predicted);
    });
    if (pairs.size() > size_t(most_in_matrix)) pairs.resize(size_t(most_in_matrix));
    std::vector<std::vector<std::string>> rows;
    for (const Pair& pair : pairs)
        rows.push_back(
            {name_of(names, pair.label), name_of(names, pair.predicted), concat(pair.count)});
    page.heading(concat("Most confused classes, ", phase));
    page.table({"label", "predicted", "samples"}, rows);
}

std::string per_class_text(const Confusion& confusion, const std::vector<std::string>& names,
                           const std::string& phase) {
    std::vector<std::vector<std::string>> rows = confusion.per_class(names);
    rows.insert(rows.begin(), Confusion::per_class_header());
    std::vector<size_t> widths(rows[0].size());
    for (const auto& row : rows)
        for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    std::string text = concat("classes of ", phase, ":");
    for (const auto& row : rows) {
        text += "\n  " + row[0] + std::string(widths[0] - row[0].size(), ' ');
        for (size_t i = 1; i < row.size(); ++i)
            text += "  " + std::string(widths[i] - row[i].size(), ' ') + row[i];
    }
    return text;
}

}  // namespace ailab::tasks
