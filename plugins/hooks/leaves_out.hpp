#pragma once

namespace ailab {

/// A hook that leaves optimizer steps out (Run::skip_step()) and tells the user of each.
class LeavesStepsOut {
  public:
    virtual ~LeavesStepsOut() = default;
    /// The last step that there was.
    virtual bool has_left_out() const = 0;
};

}  // namespace ailab
