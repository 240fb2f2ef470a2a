#pragma once
// What a metric has counted: on this rank, and over all of them.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ailab/ailab.hpp"

namespace ailab {

/// Sums and rows by name, as Metric::compute() takes them.
using MetricStates = std::map<std::string, Tensor>;

/// One rank's counts of a metric in one phase.
class MetricSums {
  public:
    /// With `by_batch`, what each batch adds to the float64 states is kept apart, so that the sums
    /// over all ranks can be taken in the order of the batches. Otherwise a rank adds them up as
    /// they come.
    MetricSums(std::string label, std::shared_ptr<Metric> metric, bool by_batch);

    /// "metric top1 (Accuracy)": for messages.
    const std::string& label() const { return label_; }
    /// Does not wait for the device.
    void update(const Batch& inputs);
    void reset();

    /// For each state, its parts in order: [parts, …] on the CPU. An int64 state has one: the order
    /// of its sum does not matter.
    MetricStates parts() const;
    /// The rows, [n, …] on the CPU.
    MetricStates rows() const;
    std::map<std::string, double> compute(const MetricStates& sums) const;

    /// Copies, to be loaded later; empty when nothing was counted. With `by_batch`, not possible.
    State save() const;
    /// Adds what was saved. Throws Error when it does not fit.
    void load(const State& saved);

  private:
    bool keeps_apart(const Tensor& state) const;

    std::string label_;
    std::shared_ptr<Metric> metric_;
    bool by_batch_;
    size_t updates_ = 0;
    /// Of the states that are kept apart, one a batch; undefined for batches before the state was
    /// there.
    std::map<std::string, std::vector<Tensor>> apart_;
};

/// What a metric computes from when nothing is counted anywhere but in itself; on the CPU.
MetricStates states_of(Metric& metric);

}  // namespace ailab
