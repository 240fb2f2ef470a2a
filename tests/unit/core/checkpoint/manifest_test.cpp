// A manifest vouches for itself, names what its reader must know, and is read in its older form.
#include "checkpoint/manifest.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "ailab/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "core/distributed/thread_comm.hpp"
#include "example_checkpoint.hpp"
#include "older_manifest.hpp"

namespace ailab::test {
namespace {

namespace fs = std::filesystem;

class ManifestTest : public testing::Test {
  protected:
    void SetUp() override {
        root_ = fs::temp_directory_path() / ("ailab_manifest_" + std::to_string(getpid()));
        fs::remove_all(root_);
        path_ = root_ / "epoch_1";
        run_ranks(1, [&](ThreadComm& comm) {
            Checkpoint checkpoint = example_checkpoint(0);
            checkpoint.manifest.set("exported_by", Node::string("hook.ema"));
            checkpoint.manifest.set("config", Node::string("a: \"quoted\"\nb: ö\n"));
            write_checkpoint(path_, "", checkpoint, comm);
        });
        text_ = read_text(manifest());
    }
    void TearDown() override { fs::remove_all(root_); }

    std::string manifest() const { return path_ + "/manifest.json"; }
    void put(const std::string& text) const {
        std::ofstream(manifest(), std::ios::binary | std::ios::trunc) << text;
    }
    /// With the checksum of what was changed.
    std::string refusal() const {
        try {
            read_manifest(path_);
        } catch (const Error& error) {
            std::string found = error.what();
            for (size_t at; (at = found.find(path_)) != std::string::npos;)
                found.replace(at, path_.size(), "PATH");
            return found;
        }
        return "read";
    }

    fs::path root_;
    std::string path_;
    std::string text_;
};

TEST_F(ManifestTest, HoldsWhatWasPutIn) {
    const Manifest found = read_manifest(path_);
    EXPECT_EQ(found.format, 2);
    EXPECT_EQ(found.world_size, 1);
    EXPECT_TRUE(found.needs.empty());
    EXPECT_EQ(found.age_note(), "");
    EXPECT_EQ(found.files.size(), 4u);
    EXPECT_EQ(found.facts.find("config")->as_string(), "a: \"quoted\"\nb: ö\n");
    EXPECT_EQ(found.facts.members().size(), 3u) << "no key of the form is a fact";
}

TEST_F(ManifestTest, NoSingleBitOfItCanChange) {
    for (size_t byte = 0; byte < text_.size(); ++byte)
        for (int bit = 0; bit < 8; ++bit) {
            std::string changed = text_;
            changed[byte] = char(changed[byte] ^ (1 << bit));
            put(changed);
            ASSERT_NE(refusal(), "read") << "bit " << bit << " of byte " << byte << ": " << changed;
        }
    put(text_);
    EXPECT_EQ(refusal(), "read");
}

TEST_F(ManifestTest, IsRefusedWhereItSaysWhatIsNotKnown) {
    struct Case {
        const char* from;
        const char* to;
        const char* refusal;
    };
    const std::string damaged =
        "PATH/manifest.json is damaged: its checksum of itself is not that of its bytes";
    for (const Case& c : {
             Case{
                 "\"needs\": []", "\"needs\": [\"stages\"]",
                 "PATH/manifest.json needs \"stages\", which this ailab does not know; use the one "
                 "that wrote it, or a later one"},
             Case{"\"needs\": []", "\"needs\": [3]",
                  "PATH/manifest.json: needs must be a list of names, got the number 3"},
             Case{"\"needs\": []", "\"needs\": \"all\"",
                  "PATH/manifest.json: needs must be a list"},
             Case{"\"needs\": [],", "", "PATH/manifest.json has no \"needs\""},
             Case{"\"version\": 2", "\"version\": 3",
                  "PATH/manifest.json has version 3; this ailab reads versions 1 to 2"},
             Case{"\"world_size\": 1", "\"world_size\": 0",
                  "PATH/manifest.json: world_size must be a whole number from 1, got the number 0"},
         }) {
        std::string changed = text_;
        changed.replace(changed.find(c.from), std::string(c.from).size(), c.to);
        put(with_checksum(changed));
        EXPECT_EQ(refusal(), c.refusal);
    }
    put(text_.substr(0, text_.find("\"manifest_crc32c\"")) + "\"x\": 1\n}\n");
    EXPECT_EQ(refusal(), "PATH/manifest.json is damaged: its checksum of itself is missing");
    std::string other = text_;
    put(other.replace(other.find("hook.ema"), 8, "hook.emb"));
    EXPECT_EQ(refusal(), damaged);
}

TEST_F(ManifestTest, IsReadInItsOlderFormWithAWord) {
    make_older(path_);
    const Manifest found = read_manifest(path_);
    EXPECT_EQ(found.format, 1);
    EXPECT_EQ(found.facts.find("exported_by")->as_string(), "hook.ema");
    EXPECT_EQ(found.age_note(),
              "it is of format 1, whose manifest.json has no checksum of itself: a changed bit in "
              "it would not be seen");
    EXPECT_NO_THROW(validate_checkpoint(path_));
    EXPECT_EQ(read_checkpoint(path_, 0).model.size(), 3u);
}

}  // namespace
}  // namespace ailab::test
