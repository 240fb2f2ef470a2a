#include "text_table.hpp"

#include <algorithm>

namespace ailab {

std::string TextTable::str() const {
    std::vector<size_t> widths(rows_[0].size());
    for (const auto& row : rows_)
        for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    std::string text;
    for (const auto& row : rows_) {
        for (size_t i = 0; i + 1 < row.size(); ++i)
            text += row[i] + std::string(widths[i] + 2 - row[i].size(), ' ');
        text += row.back() + "\n";
    }
    return text;
}

}  // namespace ailab
