#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ailab/node.hpp"
#include "records.hpp"

namespace ailab::wandb {

using NamedValues = std::vector<std::pair<std::string, double>>;

/// The points of a run's charts on their way to its file. What is measured at the same optimizer
/// step becomes one row, as in the W&B client: W&B takes each step once, in ascending order.
class Points {
  public:
    /// A row that is complete, and what it changes.
    struct Change {
        Row row;
        Summary summary;
        std::vector<std::string> new_names;
    };

    /// Adds to the step's row. The row that was begun before must be taken first.
    void add(int64_t step, double timestamp, double runtime, const NamedValues& values);
    /// There is a row, of an earlier step.
    bool has_row_before(int64_t step) const { return row_ && row_->step < step; }
    /// The row that was begun; nothing when there is none, or when its step was written already.
    std::optional<Change> take();

    /// The last step that was taken; -1: none.
    int64_t last_step() const { return last_step_; }
    /// Steps until here are written by somebody else.
    void skip_until(int64_t step) { last_step_ = std::max(last_step_, step); }
    const Summary& summary() const { return summary_; }

    /// What a checkpoint holds of it.
    void save(Node& values) const;
    void load(const Node& values);

  private:
    std::optional<Row> row_;
    int64_t last_step_ = -1;
    Summary summary_;
};

}  // namespace ailab::wandb
