#include "class_counts.hpp"

namespace ailab {
namespace {

double ratio(double part, double whole, double empty) {
    return whole == 0 ? empty : part / whole;
}

}  // namespace

double precision(const ClassCount& c, double empty) {
    return ratio(c.hit, c.predicted, empty);
}
double recall(const ClassCount& c, double empty) {
    return ratio(c.hit, c.actual, empty);
}
double f1(const ClassCount& c, double empty) {
    return ratio(2 * c.hit, c.predicted + c.actual, empty);
}
double jaccard(const ClassCount& c, double empty) {
    return ratio(c.hit, c.predicted + c.actual - c.hit, empty);
}

std::vector<ClassCount> class_counts(const Tensor& counts) {
    const Tensor exact = counts.to(at::kDouble).contiguous();
    const auto n = size_t(exact.size(1));
    const auto* values = exact.const_data_ptr<double>();
    std::vector<ClassCount> result(n);
    for (size_t c = 0; c < n; ++c) result[c] = {values[c], values[n + c], values[2 * n + c]};
    return result;
}

std::map<std::string, double> by_class(const std::vector<double>& values) {
    if (values.size() == 1) return {{"", values[0]}};
    std::map<std::string, double> results;
    for (size_t c = 0; c < values.size(); ++c) results[std::to_string(c)] = values[c];
    return results;
}

std::map<std::string, double> averaged(const std::vector<ClassCount>& counts,
                                       const std::string& average, ClassRatio ratio, bool labels) {
    if (average == "micro") {
        ClassCount all;
        for (const ClassCount& count : counts) {
            all.hit += count.hit;
            all.predicted += count.predicted;
            all.actual += count.actual;
        }
        return {{"", ratio(all, 0)}};
    }
    std::vector<double> values;
    double total = 0, weights = 0;
    for (const ClassCount& count : counts) {
        values.push_back(ratio(count, 0));
        const double counts_once = !labels && count.predicted + count.actual == 0 ? 0 : 1;
        const double weight = average == "weighted" ? count.actual : counts_once;
        total += weight * values.back();
        weights += weight;
    }
    if (average == "none") return by_class(values);
    return {{"", weights == 0 ? 0 : total / weights}};
}

std::map<std::string, double> nothing_known(const TaskOptions& options, bool each_class) {
    const bool several = each_class && options.num_classes && options.task != "binary";
    return by_class(std::vector<double>(several ? size_t(*options.num_classes) : 1, unknown));
}

ClassCountMetric::ClassCountMetric(std::string who, const ClassMetricOptions& options)
    : ClassMetric(std::move(who)), o_(options) {
    add_state("samples", {}, at::kLong);
}

void ClassCountMetric::add_batch(const ClassInput& input) {
    // The state's name tells a rank without samples which form the others have seen.
    add(input.prefix + (input.labels ? "labels" : "classes"),
        count_classes(input, /*each_sample=*/false).squeeze(1));
    add(input.prefix + "samples", input.target.ge(0).sum());
}

ClassCountMetric::Counts ClassCountMetric::counted(
    const std::map<std::string, Tensor>& states) const {
    const std::string prefix = fitting(states);
    if (states.at(prefix + "samples").item<int64_t>() == 0) return {};
    const auto labels = states.find(prefix + "labels");
    const bool has_labels = labels != states.end();
    return {class_counts(has_labels ? labels->second : states.at(prefix + "classes")), has_labels};
}

}  // namespace ailab
