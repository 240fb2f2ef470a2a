#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ailab/batch.hpp"
#include "ailab/registry.hpp"

namespace ailab {

/// What a metric keeps of each sample where sums do not do (AUROC needs all scores).
struct MetricRows {
    std::vector<int64_t> row_shape;
    at::ScalarType dtype = at::kDouble;
    /// Tensors [n, row_shape…], on any device.
    std::vector<Tensor> parts;
};

/// A metric as sums and counts: update() adds this rank's samples to the states, the core sums the
/// states over all ranks, compute() turns them into numbers. So the value is the same for any world
/// size and batch size. Called on the main thread only.
class AILAB_API Metric {
  public:
    virtual ~Metric();

    /// The names of what update() takes.
    virtual std::vector<std::string> inputs() const { return {"output", "target"}; }

    /// The simple case: output [N, …], target [N, …].
    virtual void update(const Tensor& output, const Tensor& target);
    /// The general case; the default calls update(output, target) with the first two inputs.
    virtual void update_batch(const Batch& inputs);

    /// Whether its results are better the greater they are; nothing where that depends on what is
    /// measured. What follows a result (save_best, EarlyStopHook, ReduceLROnPlateau, `ailab-run
    /// runs`) goes by this, and only without it by the result's name. Asked before any update().
    virtual std::optional<bool> greater_is_better() const { return std::nullopt; }

    /// Results by suffix; {"": v} for one number, which is logged under the metric's name; others
    /// are logged as name_suffix. `states`
    /// are the sums over all ranks, by name; rows are [N, row_shape…], of all ranks in no certain
    /// order. With no samples at all, return NaN.
    virtual std::map<std::string, double> compute(
        const std::map<std::string, Tensor>& states) const = 0;

    /// This rank's sums: float64 or int64.
    std::map<std::string, Tensor>& states() { return states_; }
    /// This rank's rows.
    std::map<std::string, MetricRows>& rows() { return rows_; }
    void reset();

  protected:
    /// Called in the constructor: a state that starts at (and is reset to) zeros.
    void add_state(const std::string& name, at::IntArrayRef shape, at::ScalarType dtype);
    Tensor& state(const std::string& name);
    /// Called in the constructor: a state that starts empty and grows by the samples. float64 or
    /// int64.
    void add_rows(const std::string& name, at::IntArrayRef row_shape, at::ScalarType dtype);
    /// Adds `rows`, [n, row_shape…], which may be empty; converted to the state's dtype.
    void append(const std::string& name, const Tensor& rows);

  private:
    std::map<std::string, Tensor> states_;
    std::map<std::string, MetricRows> rows_;
};

}  // namespace ailab
