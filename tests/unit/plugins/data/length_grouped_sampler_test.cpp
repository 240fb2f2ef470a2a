// Batches of similar length, and what data sets made of others say of lengths and fields.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "plugins/make_module.hpp"

namespace ailab {
namespace {

using test::error_of;
using test::make;

/// Sample i has i * 37 % 101 + 1 words.
class Texts : public Dataset {
  public:
    explicit Texts(int64_t size, BatchLayout layout = BatchLayout::pad)
        : size_(size), layout_(layout) {}
    int64_t size() const override { return size_; }
    FieldSpecs field_specs() const override {
        return {{.name = "words", .layout = layout_}, {.name = "label"}};
    }
    std::vector<int64_t> lengths(const std::string& field) const override {
        std::vector<int64_t> lengths;
        for (int64_t i = 0; field == "words" && i < size_; ++i) lengths.push_back(length(i));
        return lengths;
    }
    static int64_t length(int64_t i) { return i * 37 % 101 + 1; }

  private:
    const int64_t size_;
    const BatchLayout layout_;
};

std::shared_ptr<const BatchSampler> sampler(const std::string& more = "") {
    return std::dynamic_pointer_cast<const BatchSampler>(
        make<Sampler>(R"({"type": "LengthGroupedSampler")" + more + "}"));
}

std::vector<std::vector<int64_t>> cut(const EpochBatches& batches) {
    std::vector<std::vector<int64_t>> cut;
    int64_t begin = 0;
    for (const int64_t end : batches.ends) {
        cut.emplace_back(batches.ids.begin() + begin, batches.ids.begin() + end);
        begin = end;
    }
    return cut;
}

TEST(LengthGroupedSampler, DealsEverySampleOnceInBatchesOfOneSize) {
    for (const int64_t samples : {1, 7, 8, 100, 203})
        for (const bool drop_last : {false, true}) {
            const EpochBatches batches = sampler()->batches(Texts(samples), 3, 1, {8, drop_last});
            const auto all = cut(batches);
            const int64_t whole = samples / 8, rest = drop_last ? 0 : samples % 8;
            ASSERT_EQ(int64_t(all.size()), whole + (rest > 0));
            for (int64_t i = 0; i < whole; ++i) EXPECT_EQ(all[size_t(i)].size(), 8U);
            if (rest > 0) {
                EXPECT_EQ(int64_t(all.back().size()), rest);
            }
            const std::set<int64_t> different(batches.ids.begin(), batches.ids.end());
            EXPECT_EQ(int64_t(different.size()), whole * 8 + rest);
            EXPECT_EQ(batches.ids.size(), different.size());
        }
}

TEST(LengthGroupedSampler, ABatchHoldsNeighboursOfASortedChunk) {
    const Texts texts(400);
    for (const int64_t chunk : {1, 5, 50}) {
        const auto grouped = sampler(concat(R"(, "chunk_batches": )", chunk));
        const std::vector<int64_t> shuffled = texts.shuffled(3, 1);
        std::set<std::vector<int64_t>> expected;
        for (int64_t begin = 0; begin < 400; begin += 8 * chunk) {
            std::vector<int64_t> part(shuffled.begin() + begin,
                                      shuffled.begin() + std::min<int64_t>(begin + 8 * chunk, 400));
            std::stable_sort(part.begin(), part.end(), [](int64_t a, int64_t b) {
                return Texts::length(a) > Texts::length(b);
            });
            for (size_t i = 0; i < part.size(); i += 8)
                expected.emplace(part.begin() + long(i), part.begin() + long(i) + 8);
        }
        const auto found = cut(grouped->batches(texts, 3, 1, {8}));
        EXPECT_EQ(std::set(found.begin(), found.end()), expected);
    }
}

TEST(LengthGroupedSampler, ShufflesByEpochUnlessToldOtherwise) {
    const Texts texts(100);
    const auto grouped = sampler(), straight = sampler(R"(, "shuffle": false, "chunk_batches": 1)");
    EXPECT_EQ(grouped->batches(texts, 3, 1, {8}).ids, grouped->batches(texts, 3, 1, {8}).ids);
    EXPECT_NE(grouped->batches(texts, 3, 1, {8}).ids, grouped->batches(texts, 3, 2, {8}).ids);
    EXPECT_NE(grouped->batches(texts, 3, 1, {8}).ids, grouped->batches(texts, 4, 1, {8}).ids);
    EXPECT_EQ(straight->batches(texts, 3, 1, {8}).ids, straight->batches(texts, 3, 2, {8}).ids);
    std::vector<int64_t> first = cut(straight->batches(texts, 3, 1, {8}))[0];
    std::sort(first.begin(), first.end());
    EXPECT_EQ(first, (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7}));
}

/// What does not fit into memory is better seen in the first step than in the last.
TEST(LengthGroupedSampler, BeginsWithTheLongestSample) {
    for (const int64_t samples : {8, 100, 203})
        for (const int64_t epoch : {0, 1, 2}) {
            const auto all = cut(sampler()->batches(Texts(samples), 3, epoch, {8}));
            const auto longest = [](const std::vector<int64_t>& batch) {
                int64_t most = 0;
                for (const int64_t id : batch) most = std::max(most, Texts::length(id));
                return most;
            };
            for (const auto& batch : all) EXPECT_LE(longest(batch), longest(all[0]));
        }
}

TEST(LengthGroupedSampler, NeedsLengthsAndSaysOfWhat) {
    const auto complaint = [](const std::string& more, const Texts& texts) {
        return error_of([&] { sampler(more)->batches(texts, 1, 1, {8}); });
    };
    EXPECT_EQ(complaint("", Texts(10)), "");
    EXPECT_EQ(complaint(R"(, "field": "words")", Texts(10, BatchLayout::list)), "");
    EXPECT_NE(complaint("", Texts(10, BatchLayout::list)).find("pads no field; set field"),
              std::string::npos);
    EXPECT_NE(complaint(R"(, "field": "label")", Texts(10))
                  .find("knows the length of \"label\" in each sample"),
              std::string::npos);
}

}  // namespace
}  // namespace ailab
