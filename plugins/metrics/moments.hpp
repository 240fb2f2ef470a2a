#pragma once
// Means, and sums of squares around them, that keep their digits where values are far from 0. A
// batch gives a row of them; rows are put together in an order that does not depend on the ranks.
#include <cstdint>
#include <utility>
#include <vector>

#include "counting.hpp"

namespace ailab {

/// Number, mean and sum of squares around it. The mean is that of what lies above the first value.
struct Spread {
    double n = 0, first = 0, mean = 0, squares = 0;

    double distance(const Spread& other) const {
        return (other.first - first) + (other.mean - mean);
    }
    /// What a distance squared counts for when the two are put together.
    double weight(const Spread& other) const { return n * other.n / (n + other.n); }
    /// Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    /// variances", 1979.
    void add(const Spread& other) {
        if (n == 0) {
            *this = other;
            return;
        }
        const double d = distance(other);
        squares += other.squares + d * d * weight(other);
        mean += d * other.n / (n + other.n);
        n += other.n;
    }
};

/// Of [N, D] the means [D] above the first value, and what is left, [D, N]: nothing at all of a
/// constant.
std::pair<Tensor, Tensor> centred(const Tensor& values);

/// The rows of a contiguous float64 [R, …] ordered by their bits: ranks give them in no order, and
/// NaN has none.
std::vector<int64_t> fixed_order(const Tensor& rows);

}  // namespace ailab
