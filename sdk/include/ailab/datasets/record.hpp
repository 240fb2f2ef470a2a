#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ailab/loading.hpp"
#include "ailab/node.hpp"

namespace ailab {

/// One entry of a RecordSource: named values, and where it was written. What is missing or of
/// another type throws BrokenSample with that place: `train.jsonl:12: there is no "image"; …`.
/// Values that are asked for in their order are found at once. Used by one thread at a time.
class AILAB_API Record {
  public:
    /// `values` is a map; its place is where the entry was written.
    explicit Record(Node values);

    bool has(const std::string& key) const { return find(key) != nullptr; }
    /// A string, or a number or bool as it was written.
    std::string text(const std::string& key) const;
    double number(const std::string& key) const;
    int64_t integer(const std::string& key) const;
    /// A list of numbers, or one number. Text serves where it stands for a number, as in tables.
    std::vector<double> numbers(const std::string& key) const;
    const Node& node(const std::string& key) const;

    const Node& values() const { return values_; }
    /// "train.jsonl:12", or a file.
    std::string place() const;
    [[noreturn]] void fail(const std::string& what) const;

  private:
    const Node* find(const std::string& key) const;

    Node values_;
    mutable size_t next_ = 0;  // where the search for a key begins
};

}  // namespace ailab
