#include "histogram.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace ailab::tensorboard {
namespace {

std::vector<double> make_limits() {
    std::vector<double> positive;
    for (double limit = 1e-12; limit < 1e20; limit *= 1.1) positive.push_back(limit);
    positive.push_back(std::numeric_limits<double>::max());
    std::vector<double> all;
    for (auto limit = positive.rbegin(); limit != positive.rend(); ++limit) all.push_back(-*limit);
    all.push_back(0);
    all.insert(all.end(), positive.begin(), positive.end());
    return all;
}

}  // namespace

Histogram histogram_of(std::span<const float> values) {
    static const std::vector<double> limits = make_limits();
    std::vector<int64_t> counts(limits.size(), 0);
    Histogram result;
    result.min = std::numeric_limits<double>::infinity();
    result.max = -result.min;
    for (const float number : values) {
        if (!std::isfinite(number)) continue;
        const double value = number;
        const auto above = std::upper_bound(limits.begin(), limits.end(), value);
        ++counts[size_t(above - limits.begin())];
        result.min = std::min(result.min, value);
        result.max = std::max(result.max, value);
        result.num += 1;
        result.sum += value;
        result.sum_squares += value * value;
    }
    if (result.num == 0) return {};
    for (size_t i = 0; i < counts.size(); ++i) {
        if (counts[i] == 0) continue;
        if (i > 0 && counts[i - 1] == 0) {
            result.limits.push_back(limits[i - 1]);
            result.counts.push_back(0);
        }
        result.limits.push_back(limits[i]);
        result.counts.push_back(double(counts[i]));
    }
    return result;
}

}  // namespace ailab::tensorboard
