#pragma once
#include <vector>

#include "metric_sums.hpp"

namespace ailab {

/// What all ranks together have counted, on the CPU, the same on every rank. Two collectives,
/// whatever the number of metrics: the shapes, then all numbers in one.
///
/// Floating-point sums are added up part by part: part k of rank r comes at k * ranks + r, which is
/// the order of an evaluation's batches. So they have the same bits for any number of ranks. A
/// state that a rank does not have (it saw no batch) counts as nothing.
std::vector<MetricStates> sum_over_ranks(const std::vector<MetricSums*>& metrics, Comm& comm);

}  // namespace ailab
