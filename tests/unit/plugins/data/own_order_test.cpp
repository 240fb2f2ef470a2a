// Datasets made of one that wants to be read in an order of its own: it is, and its samples are
// those that were chosen.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "plugins/make_module.hpp"

namespace ailab {
namespace {

using test::make;

class OwnOrder : public testing::Test {
  protected:
    static constexpr int64_t shards = 4, each = 25;

    void SetUp() override {
        for (int64_t shard = 0; shard < shards; ++shard) {
            std::string files;
            for (int64_t i = 0; i < each; ++i) {
                const std::string key = concat(shard, "/", 100 + i);
                folder.write(key + ".png", encode_png(at::zeros({3, 1, 1}, at::kByte)));
                folder.write(key + ".cls", std::to_string(i % 5 == 0 ? 0 : 1));
                files += concat(" ", key, ".png ", key, ".cls");
            }
            const std::string command =
                concat("cd ", folder.path(), " && tar -cf s", shard, ".tar", files);
            ASSERT_EQ(std::system(command.c_str()), 0);
        }
        tar = R"({"type": "TarShards", "shuffle_buffer": 1, "shards": [")" +
              folder.path("s{0..3}.tar") + "\"]}";
    }
    static std::shared_ptr<Dataset> over(const std::string& type, const std::string& options) {
        return make<Dataset>("{\"type\": \"" + type + "\", " + options + "}");
    }
    /// How often the next sample comes from another shard than the one before.
    static int64_t jumps(const Dataset& data, const std::vector<int64_t>& order) {
        int64_t count = 0;
        for (size_t i = 1; i < order.size(); ++i)
            count += shard_of(data, order[i]) != shard_of(data, order[i - 1]);
        return count;
    }
    static std::string shard_of(const Dataset& data, int64_t index) {
        const std::string name = data.sample_name(index);
        return name.substr(0, name.find(".tar"));
    }
    static void expect_all_once(const Dataset& data, std::vector<int64_t> order) {
        std::sort(order.begin(), order.end());
        std::vector<int64_t> all(static_cast<size_t>(data.size()));
        std::iota(all.begin(), all.end(), 0);
        EXPECT_EQ(order, all);
    }

    TemporaryFolder folder;
    std::string tar;
};

TEST_F(OwnOrder, ASubsetOfShardsIsReadShardByShard) {
    const auto data = over("Subset", "\"dataset\": " + tar + ", \"begin\": 10, \"end\": 90");
    const auto first = data->shuffled(1, 0), second = data->shuffled(1, 1);
    expect_all_once(*data, first);
    EXPECT_LT(jumps(*data, first), data->size() / 8);
    EXPECT_EQ(first, data->shuffled(1, 0));
    EXPECT_NE(first, second);
}

TEST_F(OwnOrder, TheChosenSamplesComeAsTheyComeInTheWhole) {
    const auto whole = make<Dataset>(tar);
    const auto some =
        over("Subset", "\"dataset\": " + tar + ", \"indices\": [70, 3, 4, 99, 50, 30]");
    std::vector<std::string> wanted, got;
    for (const int64_t number : whole->shuffled(7, 2))
        for (const int64_t chosen : {70, 3, 4, 99, 50, 30})
            if (number == chosen) wanted.push_back(whole->sample_name(number));
    for (const int64_t number : some->shuffled(7, 2)) got.push_back(some->sample_name(number));
    EXPECT_EQ(got, wanted);
}

TEST_F(OwnOrder, WhatIsRepeatedComesInRoundsEachInAnotherOrder) {
    for (const auto& data :
         {over("Repeat", "\"dataset\": " + tar + ", \"times\": 3"),
          over("ClassBalanced", "\"dataset\": " + tar + ", \"oversample_thr\": 0.6")}) {
        const auto order = data->shuffled(1, 0);
        expect_all_once(*data, order);
        std::vector<std::string> names;
        for (const int64_t number : order) names.push_back(data->sample_name(number));
        EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
        EXPECT_LT(jumps(*data, order), int64_t(order.size() / 8));
        const size_t round = shards * each;
        EXPECT_FALSE(std::equal(names.begin(), names.begin() + round, names.begin() + round,
                                names.begin() + std::min(2 * round, names.size())));
    }
}

TEST_F(OwnOrder, JoinedDatasetsKeepTheirOrdersAndAreMixed) {
    const std::string first = R"({"type": "TarShards", "shuffle_buffer": 1, "shards": [")" +
                              folder.path("s{0..1}.tar") + "\"]}";
    const std::string second = R"({"type": "TarShards", "shuffle_buffer": 1, "shards": [")" +
                               folder.path("s{2..3}.tar") + "\"]}";
    const auto data = over("Concat", "\"datasets\": [" + first + ", " + second + "]");
    const auto order = data->shuffled(1, 0);
    expect_all_once(*data, order);
    const auto alone = make<Dataset>(second)->shuffled(1, 0);
    std::vector<int64_t> of_second;
    for (const int64_t number : order)
        if (number >= 2 * each) of_second.push_back(number - 2 * each);
    EXPECT_EQ(of_second, alone);
    EXPECT_GT(jumps(*data, order), 20) << "mixed";
}

TEST_F(OwnOrder, OthersAreShuffledAsBefore) {
    const std::string plain = R"({"type": "Synthetic", "size": 40, "shape": [1]})";
    for (const auto& data : {over("Subset", "\"dataset\": " + plain + ", \"begin\": 5"),
                             over("Repeat", "\"dataset\": " + plain),
                             over("Concat", "\"datasets\": [" + plain + ", " + plain + "]")})
        for (const int64_t epoch : {0, 3})
            EXPECT_EQ(data->shuffled(9, epoch), permutation(data->size(), 9, uint64_t(epoch)));
}

}  // namespace
}  // namespace ailab
