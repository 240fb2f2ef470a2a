#pragma once
// Means of the training's scalars, over one interval of the log, over several, over the epoch.
#include <deque>

#include "ailab/node.hpp"
#include "log_line.hpp"

namespace ailab {

/// Some iterations in succession, and the means over their samples.
struct Span {
    int64_t iterations = 0;
    double samples = 0;
    NamedValues values;
};

/// Collects spans. An interval is mostly one; a checkpoint in its middle makes two of it, so that
/// nothing is lost with the process.
class IntervalMeans {
  public:
    /// `smoothing`: an interval's means are those over at least so many iterations.
    explicit IntervalMeans(int64_t smoothing) : smoothing_(smoothing) {}

    void add(Span span);
    /// The means of the interval that ends now.
    NamedValues end_interval();
    /// Over the spans since the epoch began.
    NamedValues epoch() const;
    void end_epoch() { epoch_.clear(); }

    Node save() const;
    void load(const Node& state);

  private:
    const int64_t smoothing_;
    std::deque<Span> spans_;  // what smoothing takes, and the present interval
    size_t present_ = 0;      // the last so many are the present interval's
    struct Sum {
        std::string name;
        double sum, samples;
    };
    std::vector<Sum> epoch_;
};

}  // namespace ailab
