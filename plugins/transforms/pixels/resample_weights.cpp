#include "resample_weights.hpp"

#include <algorithm>
#include <cmath>

namespace ailab::image {
namespace {

/// The filter's value at a distance, in pixels.
struct Filter {
    bool cubic = false;
    double a = 0;

    int width() const { return cubic ? 4 : 2; }
    double operator()(double x) const {
        x = std::abs(x);
        if (!cubic) return x < 1 ? 1 - x : 0;
        if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
        if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
        return 0;
    }
};

/// The pixels that one new pixel is made of.
struct Span {
    int64_t first = 0;
    int64_t count = 0;
};

/// Their weights sum to 1. There is room for `most`. `largest` is raised to the largest weight.
Span filtered(int64_t i, int64_t from, double scale, const Filter& filter, int64_t most,
              double* weights, double& largest) {
    const double widening = std::max(scale, 1.0);
    const double support = filter.width() * 0.5 * widening;
    const double center = scale * (double(i) + 0.5);
    const int64_t first = std::max<int64_t>(int64_t(center - support + 0.5), 0);
    const int64_t end = std::min(int64_t(center + support + 0.5), from);
    const int64_t count = std::clamp<int64_t>(end - first, 0, most);
    const double narrowing = 1.0 / widening;
    double total = 0;
    for (int64_t k = 0; k < count; ++k) {
        weights[k] = filter((double(k + first) - center + 0.5) * narrowing);
        total += weights[k];
    }
    if (total != 0)
        for (int64_t k = 0; k < count; ++k) {
            weights[k] /= total;
            largest = std::max(largest, weights[k]);
        }
    return {first, count};
}

/// Without antialias: the filter is as wide as it is, and pixels beyond the border are the
/// border's. `largest` counts what they are on the way too, as ATen does, which decides the
/// precision.
Span interpolated(int64_t i, int64_t from, double scale, const Filter& filter, double* weights,
                  double& largest) {
    double position = scale * (double(i) + 0.5) - 0.5;
    if (!filter.cubic) position = std::max(position, 0.0);
    const int64_t base = std::min(int64_t(std::floor(float(position))), from - 1);
    const double lambda = std::clamp(position - double(base), 0.0, 1.0);
    const int64_t half = filter.width() / 2;
    const int64_t begin = base - half + 1;
    const int64_t first = std::max<int64_t>(begin, 0);
    for (int64_t k = 0; k < filter.width(); ++k) {
        const int64_t pixel = std::clamp<int64_t>(begin + k, 0, from - 1);
        double& weight = weights[pixel - first];
        weight += filter(double(k + 1 - half) - lambda);
        largest = std::max(largest, weight);
    }
    return {first, std::min(base + half + 1, from) - first};
}

/// As many bits as the largest weight leaves in an int16, at most 22.
int precision_for(double largest) {
    int precision = 0;
    while (precision < 22 && int(0.5 + largest * (1 << (precision + 1))) < 1 << 15) ++precision;
    return precision;
}

int16_t rounded(double value) {
    return int16_t(value < 0 ? int(value - 0.5) : int(value + 0.5));
}

}  // namespace

ResampleWeights resample_weights(int64_t from, int64_t to, Interpolation interpolation,
                                 bool antialias) {
    const Filter filter{interpolation == Interpolation::bicubic, antialias ? -0.5 : -0.75};
    const double scale = double(from) / double(to);
    const double support = filter.width() * 0.5 * std::max(scale, 1.0);
    const int64_t most = antialias ? int64_t(std::ceil(support)) * 2 + 1 : filter.width();
    std::vector<double> exact(size_t(to * most));
    double largest = 0;
    ResampleWeights result;
    result.first.resize(size_t(to));
    result.count.resize(size_t(to));
    for (int64_t i = 0; i < to; ++i) {
        double* weights = exact.data() + i * most;
        const Span span = antialias ? filtered(i, from, scale, filter, most, weights, largest)
                                    : interpolated(i, from, scale, filter, weights, largest);
        result.first[size_t(i)] = int32_t(span.first);
        result.count[size_t(i)] = int32_t(span.count);
    }
    result.precision = precision_for(largest);
    result.stride = (most + 3) / 4 * 4;
    result.weights.resize(size_t(to * result.stride));
    for (int64_t i = 0; i < to; ++i) {
        const double* weights = exact.data() + i * most;
        int16_t* scaled = result.weights.data() + i * result.stride;
        int32_t& first = result.first[size_t(i)];
        int32_t& count = result.count[size_t(i)];
        // Those that round to 0 at the ends are not worth reading a pixel for.
        int32_t skipped = 0;
        for (int32_t k = 0; k < count; ++k) {
            const int16_t weight = rounded(weights[k] * (1 << result.precision));
            if (weight == 0 && k == skipped && k + 1 < count)
                ++skipped;
            else
                scaled[k - skipped] = weight;
        }
        first += skipped;
        count -= skipped;
        while (count > 1 && scaled[count - 1] == 0) --count;
        result.most = std::max(result.most, count);
    }
    return result;
}

std::vector<int64_t> nearest_pixels(int64_t from, int64_t to) {
    const float scale = float(from) / float(to);
    std::vector<int64_t> pixels(static_cast<size_t>(to));
    for (int64_t i = 0; i < to; ++i)
        pixels[size_t(i)] = to == from       ? i
                            : to == 2 * from ? i / 2
                                             : std::min(int64_t(float(i) * scale), from - 1);
    return pixels;
}

}  // namespace ailab::image
