#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ailab/dataset.hpp"

namespace ailab {

/// What a Dataset derives from beside, when its labels() were written somewhere: messages then name
/// the place, and a set that has only a part of the classes can be numbered as the training data.
class AILAB_API WrittenLabels {
  public:
    virtual ~WrittenLabels();

    /// Where the label of a sample is written: "train.csv:12", or a file. Thread-safe.
    virtual std::string label_place(int64_t index) const = 0;

    /// Numbers the classes by their places in `names`, which has all of class_names() and may have
    /// more. Called before samples are asked for, if at all. False: the numbers stay as they are.
    virtual bool number_classes_as(const std::vector<std::string>& names);
};

/// Where the label of a sample is written, or what the sample is known by.
AILAB_API std::string label_place(const Dataset& dataset, int64_t index);

}  // namespace ailab
