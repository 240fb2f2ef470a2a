#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ailab/datasets/record.hpp"

namespace ailab {

/// Labels of records, each a number or a class's name, as numbers 0 … n-1: first learn() takes the
/// labels of all records, then label() tells their numbers.
class LabelNames {
  public:
    /// `names` in the order of their numbers; empty: labels are numbers, or, if one of them is no
    /// number, names, numbered in the order of their bytes.
    explicit LabelNames(std::vector<std::string> names);

    /// What label() knows this record's label by. Fails with the record's place when the class is
    /// not among the given names.
    int32_t learn(const Record& record, const std::string& key);
    void end_learning();

    int64_t label(int32_t learned) const { return labels_.at(size_t(learned)); }
    /// Whether the label is one of `num_classes` (0: not known).
    static bool is_class(int64_t label, int64_t num_classes);
    /// Fails with the record's place because its label is no class.
    [[noreturn]] static void refuse(int64_t label, int64_t num_classes, const Record& record);

    /// Empty when labels are numbers.
    const std::vector<std::string>& names() const { return names_; }

  private:
    int64_t given_label(const Record& record, const std::string& text,
                        const std::string& key) const;

    std::vector<std::string> names_;
    const bool given_;
    /// What was learned, in the order of first appearance; sorted by text for the names.
    std::map<std::string, int32_t> learned_;
    std::vector<int64_t> labels_;
    bool numeric_ = true;
};

}  // namespace ailab
