#include "line_search.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

namespace ailab {
namespace {

constexpr double sufficient_decrease = 1e-4, curvature = 0.9;

/// Where the cubic through two points and their slopes has its minimum, within the bounds.
double cubic_minimum(const LinePoint& a, const LinePoint& b, double lower, double upper) {
    const auto& [left, right] = a.t <= b.t ? std::tie(a, b) : std::tie(b, a);
    const double d1 = left.slope + right.slope - 3 * (left.loss - right.loss) / (left.t - right.t);
    const double square = d1 * d1 - left.slope * right.slope;
    if (!(square >= 0)) return (lower + upper) / 2;
    const double d2 = std::sqrt(square);
    const double minimum = right.t - (right.t - left.t) * ((right.slope + d2 - d1) /
                                                           (right.slope - left.slope + 2 * d2));
    return std::min(std::max(minimum, lower), upper);
}

}  // namespace

LinePoint LineSearch::try_point(double t) {
    ++evaluations;
    return evaluate(t);
}

LinePoint LineSearch::strong_wolfe(const LinePoint& start, double first_t) {
    auto decreases = [&](const LinePoint& p) {
        return !(p.loss > start.loss + sufficient_decrease * p.t * start.slope);
    };
    auto is_flat = [&](const LinePoint& p) {
        return std::abs(p.slope) <= -curvature * start.slope;
    };

    // Go on until two points have a minimum between them.
    std::array<LinePoint, 2> bracket;
    LinePoint previous = start, now = try_point(first_t);
    int64_t iteration = 0;
    for (;; ++iteration) {
        if (iteration >= max_evaluations) {
            bracket = {start, now};
            break;
        }
        if (!decreases(now) || (iteration > 1 && now.loss >= previous.loss)) {
            bracket = {previous, now};
            break;
        }
        if (is_flat(now)) return now;
        if (now.slope >= 0) {
            bracket = {previous, now};
            break;
        }
        const double t =
            cubic_minimum(previous, now, now.t + 0.01 * (now.t - previous.t), now.t * 10);
        previous = now;
        now = try_point(t);
    }

    // Narrow the bracket. `low` is the end with the smaller loss.
    size_t low = bracket[0].loss <= bracket[1].loss ? 0 : 1;
    bool stuck = false;  // the last trial lay close to an end
    for (; iteration < max_evaluations; ++iteration) {
        const auto [lower, upper] = std::minmax(bracket[0].t, bracket[1].t);
        const double width = upper - lower, margin = 0.1 * width;
        if (width * d_norm < tolerance_change) break;
        double t = cubic_minimum(bracket[0], bracket[1], lower, upper);
        if (std::min(upper - t, t - lower) < margin) {
            if (stuck || t >= upper || t <= lower) {
                t = std::abs(t - upper) < std::abs(t - lower) ? upper - margin : lower + margin;
                stuck = false;
            } else {
                stuck = true;
            }
        } else {
            stuck = false;
        }
        now = try_point(t);
        LinePoint& best = bracket[low];
        LinePoint& other = bracket[1 - low];
        if (!decreases(now) || now.loss >= best.loss) {
            other = now;
            low = bracket[0].loss <= bracket[1].loss ? 0 : 1;
            continue;
        }
        if (is_flat(now)) return now;
        if (now.slope * (other.t - best.t) >= 0) other = best;
        best = now;
    }
    return bracket[low];
}

}  // namespace ailab
