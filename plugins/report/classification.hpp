#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ailab/ailab.hpp"

namespace ailab::report {

/// What a classifier said of a sample.
struct Verdict {
    int64_t id = 0;
    int64_t label = 0;
    int64_t predicted = 0;
    double probability = 0;        // of `predicted`
    double label_probability = 0;  // 0 for a label that the model has no score of
};

struct Verdicts {
    std::vector<Verdict> samples;
    Tensor probabilities;  // [N, classes] float32 on the CPU
};

/// The samples of an evaluated batch; nothing where it is no classification: scores [N, classes] in
/// `output`, class numbers [N] in `target` or `label`.
std::optional<Verdicts> judge(const Batch& batch);

/// Names by number, where the dataset has any; else the numbers.
std::string class_name(const std::vector<std::string>& names, int64_t index);

/// Counts of (label, predicted) pairs.
class Confusion {
  public:
    void add(const Verdicts& verdicts);
    /// Over all ranks. Collective.
    void reduce(Comm& comm);
    void clear() { counts_ = Tensor(); }

    bool empty() const { return !counts_.defined(); }
    int64_t classes() const { return empty() ? 0 : counts_.size(0); }
    int64_t count(int64_t label, int64_t predicted) const;

    /// The columns class, samples, precision, recall and F1, in percent.
    std::vector<std::vector<std::string>> per_class(const std::vector<std::string>& names) const;
    static const std::vector<std::string>& per_class_header();

  private:
    Tensor counts_;  // [classes, classes] int64
};

}  // namespace ailab::report
