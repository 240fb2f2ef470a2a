#pragma once
#include <string>
#include <vector>

#include "classification.hpp"

namespace ailab::report {

/// The samples whose labels the model gave the least probability.
class WorstSamples {
  public:
    explicit WorstSamples(size_t most) : most_(most) {}

    void add(const Verdicts& verdicts);
    /// Over all ranks, worst first. Collective.
    void gather(Comm& comm);
    void clear() { samples_.clear(); }
    const std::vector<Verdict>& samples() const { return samples_; }

  private:
    void keep_worst();

    const size_t most_;
    std::vector<Verdict> samples_;
};

/// A small picture of a sample as it was read (PNG), or "" where it is none.
std::string picture_of(const Dataset& dataset, int64_t id);

}  // namespace ailab::report
