#pragma once
#include <functional>

#include "ailab/batch.hpp"

namespace ailab {

/// A point x + t d of a line.
struct LinePoint {
    double t = 0;
    double loss = 0;
    /// The gradient, flat, and its product with d: the slope of the line.
    Tensor grad;
    double slope = 0;
};

struct LineSearch {
    /// The point at t.
    std::function<LinePoint(double t)> evaluate;
    /// The largest element of |d|: a bracket whose ends are closer than tolerance_change / d_norm
    /// is not searched further.
    double d_norm = 0;
    double tolerance_change = 1e-9;
    int64_t max_evaluations = 25;
    /// Counts the calls of evaluate().
    int64_t evaluations = 0;

    /// A point that meets the strong Wolfe conditions (Nocedal and Wright, 2006, algorithms 3.5 and
    /// 3.6), or the best one found: `first_t` is tried first, `start` is the point at 0. Takes the
    /// same decisions as PyTorch's LBFGS.
    LinePoint strong_wolfe(const LinePoint& start, double first_t);

  private:
    LinePoint try_point(double t);
};

}  // namespace ailab
