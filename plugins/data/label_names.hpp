#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ailab/datasets/record.hpp"

namespace ailab {

/// Labels of records, each a class's number or name, as numbers 0 … n-1. They are read as pandas
/// reads a column: 3.0, " 3" and "3" are one number, and what is empty, NA or nan is missing, which
/// is refused. A number that is none of the classes, negative or beyond their number, may be what a
/// loss ignores: the run, which knows the loss, refuses it by Dataset::labels(). First learn()
/// takes the labels of all records, then label() tells their numbers.
class LabelNames {
  public:
    /// `names` in the order of their numbers. Empty: labels are numbers, or, if none of them is
    /// one, names, numbered in the order of their bytes.
    explicit LabelNames(std::vector<std::string> names);

    /// What label() knows this record's label by. Throws BrokenSample with the record's place when
    /// it is missing or can be no class.
    int32_t learn(const Record& record, const std::string& key);
    /// Checks the labels against each other. `num_classes`, if given, is how many classes there are
    /// where the names do not say. Throws ConfigError with places.
    void end_learning(std::optional<int64_t> num_classes);

    int64_t label(int32_t learned) const { return learned_.at(size_t(learned)).label; }
    /// Empty when labels are numbers.
    const std::vector<std::string>& names() const { return names_; }
    /// As many as there are names, or as was said, or one more than the largest label; nothing
    /// without any label.
    std::optional<int64_t> num_classes() const { return num_classes_; }

    /// Numbers the classes by their places in `names`, which has all of names(): the new number of
    /// each old one, for renumbered(). Nothing where labels are no names, or one is not in `names`.
    std::optional<std::vector<int64_t>> number_as(const std::vector<std::string>& names);

  private:
    struct Learned {
        std::string text;
        bool is_name = false;
        int64_t label = 0;  // of names, end_learning() fills it in
        int64_t count = 0;  // of records
        Place first{};      // of them
    };

    Learned read(const Record& record, const Node& node, const std::string& key) const;
    std::optional<int64_t> given_class(const std::string& text) const;
    Learned given_label(const Record& record, const std::string& text,
                        std::optional<int64_t> number) const;
    void refuse_mixture(Problems& problems) const;
    void number_names();

    std::vector<std::string> names_;
    const bool given_;
    bool names_are_numbers_ = false;  // at least one of the given ones looks like a number
    std::vector<Learned> learned_;    // in the order of their first appearance
    std::unordered_map<std::string, int32_t> ids_;      // by Learned::text
    std::unordered_map<std::string, int32_t> written_;  // by what stands in the file
    std::optional<int64_t> num_classes_;
};

/// The new number of a class; what is none stays.
int64_t renumbered(int64_t label, const std::vector<int64_t>& places);

/// The place in `all` of each of `some`; nothing if one is not there.
std::optional<std::vector<int64_t>> places_among(const std::vector<std::string>& some,
                                                 const std::vector<std::string>& all);

}  // namespace ailab
