#pragma once
#include <string>
#include <vector>

#include "ailab/export.hpp"

namespace ailab {

/// Columns of text as wide as their longest cell, the last one as it is.
class AILAB_API TextTable {
  public:
    explicit TextTable(std::vector<std::string> header) : rows_{std::move(header)} {}

    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    std::string str() const;

  private:
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace ailab
