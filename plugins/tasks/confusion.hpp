#pragma once
#include <string>
#include <vector>

#include "ailab/ailab.hpp"

namespace ailab::tasks {

/// Counts of (label, predicted) pairs.
class Confusion {
  public:
    /// So many classes; a label that is none of them is an ignored one.
    void add(int64_t classes, int64_t label, int64_t predicted);
    /// Over all ranks. Collective.
    void reduce(Comm& comm);

    bool empty() const { return !counts_.defined(); }
    int64_t classes() const { return empty() ? 0 : counts_.size(0); }
    int64_t count(int64_t label, int64_t predicted) const;

    /// The columns class, samples, precision, recall and F1, in percent.
    std::vector<std::vector<std::string>> per_class(const std::vector<std::string>& names) const;
    static const std::vector<std::string>& per_class_header();

  private:
    Tensor counts_;  // [classes, classes] int64
};

/// The table of all classes, for the log.
std::string per_class_text(const Confusion& confusion, const std::vector<std::string>& names,
                           const std::string& phase);
/// Tables and the matrix, for the report; of many classes the pairs that are confused most.
void show_confusion(Page& page, const Confusion& confusion, const std::vector<std::string>& names,
                    const std::string& phase);

/// A share as "93.4 %".
std::string percent(double share);

}  // namespace ailab::tasks
