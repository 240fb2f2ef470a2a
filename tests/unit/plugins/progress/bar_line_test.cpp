// The bar's line at every width.
#include "progress/bar_line.hpp"

#include <gtest/gtest.h>

#include "progress/text_width.hpp"

namespace ailab {
namespace {

BarState middle() {
    return {.phase = "train",
            .by_epoch = true,
            .outer = 3,
            .outer_total = 10,
            .samples = 34240,
            .total_samples = 60000,
            .elapsed = 12.7,
            .rate = 2810.4,
            .values = {{"loss", "0.3121"}, {"lr", "0.001"}}};
}

BarState with_terms() {
    BarState state = middle();
    state.values.insert(state.values.end(), {{"重建", "0.2000"}, {"分类", "0.1121"}});
    return state;
}

struct Row {
    std::string name;
    BarState state;
    size_t columns;
    bool blocks;
    std::string line;
};

TEST(BarLine, Table) {
    BarState val = middle();
    val.phase = "val";
    val.values.clear();
    BarState begin = middle();
    begin.samples = 0;
    begin.elapsed = begin.rate = 0;
    begin.values = {{"lr", "0.001"}};
    BarState end = middle();
    end.samples = end.total_samples;
    BarState by_steps = middle();
    by_steps.by_epoch = false;
    by_steps.outer = 412;
    by_steps.outer_total = 90000;
    const std::vector<Row> table = {
        {"everything", with_terms(), 129, false,
         "epoch 3/10 train  57%|#########       | 34240/60000 [00:12<00:09, 2810 samples/s] "
         "loss=0.3121, lr=0.001, 重建=0.2000, 分类=0.1121"},
        {"without the terms", with_terms(), 100, false,
         "epoch 3/10 train  57%|#######      | 34240/60000 [00:12<00:09, 2810 samples/s] "
         "loss=0.3121, lr=0.001"},
        {"without words", middle(), 87, true,
         "3/10 train  57%|███████▉      | 34240/60000 [00:12<00:09, 2810/s] loss=0.3121, "
         "lr=0.001"},
        {"at 80", middle(), 79, true,
         "3/10 train  57%|█████████▏      | 34240/60000 [00:12<00:09, 2810/s] loss=0.3121"},
        {"at 60", middle(), 59, true,
         "3/10 train  57%|█████████▏      | 00:09, 2810/s loss=0.3121"},
        {"at 50", middle(), 49, true, "3/10 train  57%|███▍  | 00:09, 2810/s loss=0.3121"},
        {"at 40", middle(), 39, true, "3/10 train  57%|██▎ | 00:09 loss=0.3121"},
        {"without a bar", middle(), 34, true, "3/10 train  57% 00:09 loss=0.3121"},
        {"the least", middle(), 20, true, "3/10 train  57%"},
        {"cut", middle(), 8, true, "3/10 tra"},
        {"validation at 40", val, 39, false, "3/10 val  57%|#####     | 00:09, 2810/s"},
        {"at its begin", begin, 79, false,
         "epoch 3/10 train   0%|                | 0/60000 [00:00<?, ? samples/s] lr=0.001"},
        {"at its end", end, 79, true,
         "3/10 train 100%|████████████████| 60000/60000 [00:12<00:00, 2810/s] loss=0.3121"},
        {"by steps", by_steps, 119, false,
         "step 412/90000 train  57%|###############             | 34240/60000 [00:12<00:09, 2810 "
         "samples/s] "
         "loss=0.3121, lr=0.001"},
    };
    for (const Row& row : table) {
        const std::string line = bar_line(row.state, row.columns, row.blocks);
        EXPECT_EQ(line, row.line) << row.name << ", " << text_width(line) << " columns";
    }
}

TEST(BarLine, NeverExceedsItsColumnsAndFillsThemWithTheBar) {
    for (const BarState& state : {middle(), with_terms()})
        for (size_t columns = 0; columns <= 250; ++columns) {
            const std::string line = bar_line(state, columns, true);
            EXPECT_LE(text_width(line), columns);
            if (line.find('|') != std::string::npos) EXPECT_EQ(text_width(line), columns);
        }
}

TEST(BarLine, GrowsWithTheSamples) {
    BarState state = middle();
    std::string before;
    for (state.samples = 0; state.samples <= state.total_samples; state.samples += 1000) {
        const std::string line = bar_line(state, 119, true);
        EXPECT_EQ(text_width(line), 119u);
        const std::string bar = line.substr(line.find('|'), line.rfind('|') - line.find('|'));
        EXPECT_NE(bar, before);
        before = bar;
    }
    state.samples = state.total_samples - 1;
    EXPECT_NE(bar_line(state, 119, true).find(" 99%"), std::string::npos) << "not complete yet";
}

TEST(BarLine, PlainIsTheWholeLineWithoutABar) {
    EXPECT_EQ(plain_line(with_terms()),
              "epoch 3/10 train  57% 34240/60000 [00:12<00:09, 2810 samples/s] loss=0.3121, "
              "lr=0.001, 重建=0.2000, 分类=0.1121");
}

TEST(BarLine, WritesTimesAsTqdmDoes) {
    const std::vector<std::pair<double, std::string>> table = {
        {0, "00:00"},    {59.9, "00:59"},   {61, "01:01"},
        {3599, "59:59"}, {3723, "1:02:03"}, {360000, "100:00:00"}};
    for (const auto& [seconds, text] : table) EXPECT_EQ(clock_text(seconds), text);
}

TEST(BarLine, WritesRatesAndValuesShort) {
    const std::vector<std::pair<double, std::string>> rates = {
        {0.04, "0.04"},   {1, "1.0"},           {99.94, "99.9"},
        {2810.4, "2810"}, {123456.7, "123457"}, {1234567, "1.23M"}};
    for (const auto& [rate, text] : rates) {
        BarState state = middle();
        state.rate = rate;
        EXPECT_NE(plain_line(state).find(", " + text + " samples/s]"), std::string::npos) << text;
    }
    const std::vector<std::pair<double, std::string>> values = {
        {0, "0.0000"},      {0.31214, "0.3121"},   {-2.5, "-2.5000"},
        {0.00001, "1e-05"}, {12345.6, "1.23e+04"}, {std::nan(""), "nan"}};
    for (const auto& [value, text] : values) EXPECT_EQ(value_text(value), text);
}

}  // namespace
}  // namespace ailab
