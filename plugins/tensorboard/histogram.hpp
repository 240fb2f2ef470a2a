#pragma once
#include <span>
#include <vector>

namespace ailab::tensorboard {

/// Counts of numbers in TensorFlow's buckets, whose limits grow by a tenth from 1e-12 to 1e20 on
/// both sides of 0. Bucket i holds [limits[i - 1], limits[i]); those without numbers are left out
/// but for one before each run of others, which says where the run begins.
struct Histogram {
    double min = 0;
    double max = 0;
    double num = 0;
    double sum = 0;
    double sum_squares = 0;
    std::vector<double> limits;
    std::vector<double> counts;
};

/// Numbers that are not finite have no bucket and are not counted: num is then less than the size.
Histogram histogram_of(std::span<const float> values);

}  // namespace ailab::tensorboard
