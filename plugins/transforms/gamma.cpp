#include "gamma.hpp"

#include <algorithm>
#include <cmath>

namespace ailab {
namespace {

/// The logarithm of a number of the gamma distribution: Marsaglia and Tsang, "A Simple Method for
/// Generating Gamma Variables", ACM TOMS 26 (2000). As a logarithm, since for a small shape the
/// number itself is often too small for a double.
double log_gamma_number(double shape, Philox& random) {
    if (shape < 1) {
        const double u = 1 - random.uniform();  // (0, 1]
        return log_gamma_number(shape + 1, random) + std::log(u) / shape;
    }
    const double d = shape - 1.0 / 3.0;
    const double c = 1 / std::sqrt(9 * d);
    for (;;) {
        const double x = random.normal();
        const double root = 1 + c * x;
        if (root <= 0) continue;
        const double v = root * root * root;
        const double u = 1 - random.uniform();
        if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return std::log(d * v);
    }
}

}  // namespace

std::vector<double> dirichlet(size_t count, double alpha, Philox& random) {
    std::vector<double> shares;
    for (size_t i = 0; i < count; ++i) shares.push_back(log_gamma_number(alpha, random));
    const double most = *std::max_element(shares.begin(), shares.end());
    double total = 0;
    for (double& share : shares) total += share = std::exp(share - most);
    for (double& share : shares) share /= total;
    return shares;
}

}  // namespace ailab
