// Tar shards that were cut between two files, or joined: GNU tar, tarfile and webdataset read what
// is there without a word; here what is missing is told of.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "ailab/log.hpp"
#include "plugins/make_module.hpp"

namespace ailab {
namespace {

using test::contains;
using test::make;

constexpr size_t block = 512;

class CutShards : public testing::Test {
  protected:
    void SetUp() override {
        log_through([this](const std::string& lines) { said_ += lines; });
    }
    void TearDown() override { log_through({}); }

    /// The files of an archive of the real tar, without blocks at its end.
    std::string pack(const std::vector<std::string>& names) {
        std::string words;
        for (const std::string& name : names) {
            if (name.ends_with(".png"))
                folder_.write(name, encode_png(at::full({3, 2, 2}, 7, at::kByte)));
            else
                folder_.write(name, name.ends_with(".cls") ? "1" : "{}");
            words += " " + name;
        }
        const std::string command = "cd " + folder_.path() + " && tar -b 1 -cf packed.tar" + words;
        EXPECT_EQ(std::system(command.c_str()), 0) << command;
        std::ifstream file(folder_.path("packed.tar"), std::ios::binary);
        std::string bytes{std::istreambuf_iterator<char>(file), {}};
        EXPECT_EQ(bytes.substr(bytes.size() - 2 * block), std::string(2 * block, '\0'));
        return bytes.substr(0, bytes.size() - 2 * block);
    }
    std::shared_ptr<Dataset> open(const std::string& shards) {
        return make<Dataset>(R"({"type": "TarShards", "shards": [")" + folder_.path(shards) +
                             "\"]}");
    }
    std::string said() { return std::exchange(said_, {}); }

    const std::string end = std::string(2 * block, '\0');
    TemporaryFolder folder_;

  private:
    std::string said_;
};

TEST_F(CutShards, AreReadAndToldOf) {
    const std::string files = pack({"a.png", "a.cls", "b.png", "b.cls"});
    struct Case {
        const char* name;
        std::string bytes;
        const char* said;  // "" for nothing
    };
    const std::vector<Case> table = {
        {"whole", files + end, ""},
        {"one block of zeros", files + end.substr(0, block), ""},
        {"padded to tar's records", files + end + std::string(20 * block, '\0'), ""},
        {"no end", files, "a.tar has no end: it may have been cut between two files"},
        {"joined", files + end + pack({"c.png", "c.cls"}) + end,
         "a.tar has another archive, or something else, behind its end, which is not read"},
    };
    for (const Case& c : table) {
        folder_.write("a.tar", c.bytes);
        EXPECT_EQ(open("a.tar")->size(), 2) << c.name;
        const std::string said = this->said();
        if (*c.said == '\0')
            EXPECT_EQ(said, "") << c.name;
        else
            EXPECT_TRUE(contains(said, c.said)) << c.name << said;
    }
}

TEST_F(CutShards, AreToldOfOnceForAllShards) {
    const std::string files = pack({"a.png", "a.cls"});
    for (const char* name : {"s-0.tar", "s-1.tar", "s-2.tar"}) folder_.write(name, files);
    open("s-{0..2}.tar");
    EXPECT_TRUE(contains(said(), "s-0.tar (and 2 more shards) has no end"));
}

TEST_F(CutShards, ALastSampleWithoutWhatAllOthersHaveIsRefused) {
    const std::string a_and_b = pack({"a.png", "a.cls", "a.json", "b.png", "b.cls", "b.json"});
    const std::string other = pack({"x.png", "x.cls", "y.png", "y.cls"});
    struct Case {
        const char* name;
        std::string first, second;  // shards; "" for none
        const char* error;          // "" where they are read
    };
    const std::vector<Case> table = {
        {"a label cut off", pack({"a.png", "a.cls", "b.png"}), "", "0.tar: sample b has no label"},
        {"a description cut off", a_and_b + pack({"c.png", "c.cls"}), "",
         "0.tar: its last sample, c, has no .json, which all others have: the shard was cut in"},
        {"the same, of a shard with an end", a_and_b + pack({"c.png", "c.cls"}) + end, "",
         "0.tar: its last sample, c, has no .json, which all others have: the shard ends in"},
        {"in the second shard, of one sample", a_and_b + end, pack({"c.png", "c.cls"}),
         "1.tar: its last sample, c, has no .json"},
        {"one before has none either", a_and_b + pack({"c.png", "c.cls", "d.png", "d.cls"}), "",
         ""},
        {"shards of other kinds", a_and_b + end, other + end, ""},
        {"one of two has more", pack({"a.png", "a.cls", "a.json", "b.png", "b.cls"}) + end, "", ""},
        {"another kind of image", a_and_b + pack({"c.jpg", "c.cls", "c.json"}) + end, "", ""},
    };
    for (const Case& c : table) {
        folder_.write("0.tar", c.first);
        if (!c.second.empty()) folder_.write("1.tar", c.second);
        const std::string error =
            error_of([&] { open(c.second.empty() ? "0.tar" : "{0..1}.tar"); }, folder_.path());
        if (*c.error == '\0')
            EXPECT_EQ(error, "") << c.name;
        else
            EXPECT_TRUE(contains(error, c.error)) << c.name << ": " << error;
    }
}

}  // namespace
}  // namespace ailab
