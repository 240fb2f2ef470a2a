// Tar shards: what is read of them, in which order, and which archives are refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "plugins/make_module.hpp"
#include "temporary_folder.hpp"

namespace ailab {
namespace {

using test::make;

class TarShardsTest : public testing::Test {
  protected:
    /// Packs the files below `folder` with the real tar.
    void pack(const std::string& shard, const std::string& files, const std::string& options = "") {
        const std::string command =
            "cd " + folder_.path() + " && tar " + options + " -cf " + shard + " " + files;
        ASSERT_EQ(std::system(command.c_str()), 0) << command;
    }
    void sample(const std::string& key, int64_t value, const std::string& label) {
        folder_.write(key + ".png", encode_png(at::full({3, 2, 2}, value, at::kByte)));
        folder_.write(key + ".cls", label);
    }
    std::shared_ptr<Dataset> open(const std::string& shards, const std::string& more = "") {
        return make<Dataset>(R"({"type": "TarShards", "shards": [")" + folder_.path(shards) +
                             "\"]" + more + "}");
    }
    std::string complaint(const std::string& shards, const std::string& more = "") {
        return error_of([&] { open(shards, more); }, folder_.path());
    }
    TemporaryFolder folder_;
};

TEST_F(TarShardsTest, SamplesOfSeveralFormatsOfTar) {
    const std::string long_name = std::string(70, 'n') + "/" + std::string(70, 'm');
    sample("a/0001", 1, "3\n");
    sample("a/" + long_name, 2, "4");
    for (const std::string format : {"gnu", "ustar", "pax"}) {
        SCOPED_TRACE(format);
        pack("train.tar", "a/0001.cls a/0001.png a/" + long_name + ".png a/" + long_name + ".cls",
             "--format=" + format);
        const auto data = open("train.tar");
        ASSERT_EQ(data->size(), 2);
        EXPECT_EQ(data->labels(), (std::vector<int64_t>{3, 4}));
        Sample second = data->get(1, {});
        EXPECT_EQ(second.tensor("input")[0][0][0].item<int64_t>(), 2);
        EXPECT_EQ(second.tensor("label").item<int64_t>(), 4);
        EXPECT_EQ(data->sample_name(1), folder_.path("train.tar") + "/a/" + long_name + ".png");
    }
}

TEST_F(TarShardsTest, PatternsNameShards) {
    for (const std::string name : {"s-00", "s-01", "s-02"}) {
        sample(name, 1, "0");
        pack(name + ".tar", name + ".png " + name + ".cls");
    }
    EXPECT_EQ(open("s-{00..02}.tar")->size(), 3);
    EXPECT_EQ(open("s-{00,02}.tar")->size(), 2);
    EXPECT_EQ(open("s-*.tar")->size(), 3);
    EXPECT_NE(complaint("t-*.tar").find("t-*.tar matches no file"), std::string::npos);
    EXPECT_NE(complaint("s-{00..03}.tar").find("s-03.tar cannot be read: No such file"),
              std::string::npos);
    EXPECT_NE(complaint("s-{3..1}.tar").find("{3..1} in FOLDER/s-{3..1}.tar is no range"),
              std::string::npos);
}

TEST_F(TarShardsTest, AnEpochGoesThroughShardsInANewOrderAndMixesWithinTheBuffer) {
    constexpr int64_t each = 20;
    for (int shard = 0; shard < 4; ++shard) {
        std::string files;
        for (int i = 0; i < each; ++i) {
            const std::string key = std::to_string(shard) + "/" + std::to_string(i);
            sample(key, i, "0");
            files += key + ".png " + key + ".cls ";
        }
        pack("s" + std::to_string(shard) + ".tar", files);
    }
    const auto data = open("s{0..3}.tar", R"(, "shuffle_buffer": 5)");
    const auto first = data->shuffled(1, 0), second = data->shuffled(1, 1);
    auto sorted = first;
    std::sort(sorted.begin(), sorted.end());
    for (int64_t i = 0; i < 4 * each; ++i) ASSERT_EQ(sorted[size_t(i)], i);
    EXPECT_EQ(first, data->shuffled(1, 0));
    EXPECT_NE(first, second);
    // A sample is read at most a buffer ahead of its shard: the first 15 are of one shard.
    std::set<int64_t> shards;
    for (size_t i = 0; i < 15; ++i) shards.insert(first[i] / each);
    EXPECT_EQ(shards.size(), 1u);
    EXPECT_FALSE(std::is_sorted(first.begin(), first.begin() + 15));
}

TEST_F(TarShardsTest, RefusedArchives) {
    sample("0001", 1, "3");
    sample("0002", 1, "x");
    pack("good.tar", "0001.png 0001.cls");
    std::string bytes;
    {
        std::ifstream file(folder_.path("good.tar"), std::ios::binary);
        bytes.assign(std::istreambuf_iterator<char>(file), {});
    }
    folder_.write("cut.tar", bytes.substr(0, 1536));
    folder_.write("short.tar", bytes.substr(0, 100));
    folder_.write("other.tar", std::string(2048, 'x'));
    folder_.write("empty.tar", "");
    pack("unlabelled.tar", "0001.png");
    pack("imageless.tar", "0001.cls");
    pack("word.tar", "0001.png 0001.cls 0002.png 0002.cls");
    const struct {
        const char *shard, *more, *text;
    } rows[] = {
        {"cut.tar", "", "cut.tar is cut short at byte 1536, in the file after 0001.png; 1 files"},
        {"short.tar", "", "short.tar is cut short at byte 100, in its first file"},
        {"other.tar", "", "other.tar is no tar archive: there is no header at byte 0"},
        {"unlabelled.tar", "", "unlabelled.tar: sample 0001 has no label (cls)"},
        {"imageless.tar", "", "imageless.tar: sample 0001 has no image (jpg, jpeg"},
        {"word.tar", R"(, "classes": ["3", "4"])", "unknown class \"x\""},
        {"good.tar", R"(, "image_keys": [])", "image_keys is empty: no file would be an image"}};
    for (const auto& row : rows)
        EXPECT_NE(complaint(row.shard, row.more).find(row.text), std::string::npos)
            << row.shard << ": " << complaint(row.shard, row.more);
    EXPECT_EQ(open("empty.tar")->size(), 0);
}

}  // namespace
}  // namespace ailab
