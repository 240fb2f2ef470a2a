// Columns that text takes in a terminal.
#include "progress/text_width.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace ailab {
namespace {

TEST(TextWidth, CountsColumns) {
    const std::vector<std::pair<std::string, size_t>> table = {
        {"", 0},         {"loss", 4}, {"重建", 4},
        {"loss重建", 8}, {"カナ", 4}, {"한국어", 6},
        {"ＡＢ", 4},     {"é", 1},    {"e\xCC\x81", 1},
        {"ß", 1},        {"█▏", 2},   {"μ=0", 3},
        {"𠀀", 2},       {"🚀", 2},    {"\xFF\xFE", 2},
        {"\xE9\x87", 2}, {"a\nb", 3}, {"\xE9\x87\x8Dx", 3}};
    for (const auto& [text, columns] : table) EXPECT_EQ(text_width(text), columns) << text;
}

struct Cut {
    std::string text;
    size_t columns;
    std::string result;
};

TEST(TextWidth, CutsBetweenCharacters) {
    const std::vector<Cut> table = {
        {"loss", 4, "loss"},
        {"loss", 3, "los"},
        {"loss", 0, ""},
        {"重建损失", 8, "重建损失"},
        {"重建损失", 7, "重建损"},
        {"重建损失", 1, ""},
        {"a重", 2, "a"},
        {"e\xCC\x81x", 1, "e\xCC\x81"},
        {"a\nb\x1b[31mc", 20, "a?b?[31mc"},  // nothing that moves the cursor gets through
        {"\xC2\x9B"
         "31m",
         20, "?31m"},
        {"\xFFx\xE9\x87", 20, "?x??"},
    };
    for (const Cut& cut : table) EXPECT_EQ(cut_text(cut.text, cut.columns), cut.result) << cut.text;
}

}  // namespace
}  // namespace ailab
