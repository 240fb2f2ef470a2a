#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ailab/datasets/record.hpp"

namespace ailab {

/// Labels of records, each a number or a class's name, as numbers 0 … n-1.
class LabelNames {
  public:
    /// `names` in the order of their numbers; empty: labels are numbers, or, if the first one is no
    /// number, names that learn() gathers.
    explicit LabelNames(std::vector<std::string> names);

    /// For all records, before the first label(): without given names, text labels are numbered in
    /// the order of their bytes.
    void learn(const Record& record, const std::string& key);
    void end_learning();

    /// Fails with the record's place when the class is unknown.
    int64_t label(const Record& record, const std::string& key) const;

    /// Empty when labels are numbers.
    const std::vector<std::string>& names() const { return names_; }

  private:
    std::vector<std::string> names_;
    std::map<std::string, int64_t> numbers_;
    const bool given_;
    bool numeric_ = true;
};

}  // namespace ailab
