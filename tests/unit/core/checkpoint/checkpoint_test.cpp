// Checkpoints: what is written comes back, and a damaged one is refused.
#include "checkpoint/checkpoint.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include "ailab/error.hpp"
#include "core/distributed/thread_comm.hpp"
#include "example_checkpoint.hpp"
#include "older_manifest.hpp"

namespace ailab {

namespace {

namespace fs = std::filesystem;
using test::example_checkpoint;
using test::run_ranks;
using test::ThreadComm;
using Names = std::set<std::string>;

class CheckpointTest : public testing::Test {
  protected:
    void SetUp() override {
        root_ = fs::temp_directory_path() / ("ailab_checkpoint_" + std::to_string(getpid()));
        fs::remove_all(root_);
        path_ = root_ / "run" / "checkpoints" / "epoch_1";
        pointer_ = root_ / "last_checkpoint";
        fs::create_directories(root_);
    }
    void TearDown() override { fs::remove_all(root_); }

    std::vector<std::string> write(int ranks) {
        return run_ranks(ranks, [&](ThreadComm& comm) {
            write_checkpoint(path_, pointer_, example_checkpoint(comm.rank()), comm);
        });
    }
    static Names names(const fs::path& folder) {
        Names result;
        for (const auto& entry : fs::directory_iterator(folder))
            result.insert(entry.path().filename());
        return result;
    }
    static std::string text(const fs::path& file) {
        std::ifstream stream(file, std::ios::binary);
        return std::string((std::istreambuf_iterator<char>(stream)), {});
    }
    std::string complaint() const {
        try {
            validate_checkpoint(path_);
        } catch (const Error& error) {
            std::string found = error.what();
            for (size_t at; (at = found.find(path_)) != std::string::npos;)
                found.replace(at, path_.size(), "PATH");
            return found;
        }
        return "valid";
    }

    fs::path root_;
    std::string path_;
    std::string pointer_;
};

TEST_F(CheckpointTest, IsAFolderOfPlainFiles) {
    EXPECT_EQ(write(2), (std::vector<std::string>{"", ""}));
    EXPECT_EQ(names(path_), (Names{"manifest.json", "model.safetensors", "rank0.safetensors",
                                   "rank1.safetensors", "state.json", "state.safetensors"}));
    EXPECT_EQ(names(fs::path(path_).parent_path()), Names{"epoch_1"});
    EXPECT_EQ(names(root_), (Names{"last_checkpoint", "run"}));
    EXPECT_EQ(text(pointer_), path_);
    EXPECT_EQ(complaint(), "valid");
}

TEST_F(CheckpointTest, ComesBackWhole) {
    write(2);
    for (int rank = 0; rank < 3; ++rank) {
        const Checkpoint expected = example_checkpoint(rank);
        const Checkpoint found = read_checkpoint(path_, rank);
        ASSERT_EQ(found.model.size(), 3u);
        const std::map<std::string, at::Tensor> model(found.model.begin(), found.model.end());
        for (const auto& [name, tensor] : expected.model)
            EXPECT_TRUE(model.at(name).equal(tensor)) << name;

        ASSERT_EQ(found.modules.size(), 2u);
        const State& optimizer = found.modules.at("optimizer");
        EXPECT_TRUE(optimizer.tensors.at("exp_avg/fc.weight").equal(torch::full({2, 3}, 0.5)));
        EXPECT_EQ(optimizer.values.flow(), expected.modules.at("optimizer").values.flow());
        const State& hook = found.modules.at("hook.metrics");
        EXPECT_EQ(hook.values.find("best")->as_float(), -std::numeric_limits<double>::infinity());
        EXPECT_TRUE(std::isnan(hook.values.find("none")->as_float()));
        EXPECT_EQ(hook.values.find("names")->flow(), "[top1, 5, true]");

        // More than 2^53: whole numbers keep every digit.
        EXPECT_EQ(found.run.values.find("step")->as_int(), 9007199254740993);
        EXPECT_TRUE(found.run.tensors.at("generator").equal(expected.run.tensors.at("generator")));
        EXPECT_EQ(found.manifest.find("step")->as_int(), 9007199254740993);
        EXPECT_EQ(found.manifest.find("world_size")->as_int(), 2);
        if (rank < 2) {
            EXPECT_EQ(found.rank.values.find("position")->as_int(), 100 + rank);
            EXPECT_TRUE(
                found.rank.tensors.at("generator").equal(torch::full({4}, rank, at::kLong)));
        } else {
            EXPECT_TRUE(found.rank.tensors.empty()) << "of a rank that did not exist";
        }
    }
}

TEST_F(CheckpointTest, ReplacesOneOfTheSameName) {
    write(1);
    fs::create_directories(path_ + "/left over");
    EXPECT_EQ(write(2), (std::vector<std::string>{"", ""}));
    EXPECT_EQ(names(fs::path(path_).parent_path()), Names{"epoch_1"});
    EXPECT_FALSE(fs::exists(path_ + "/left over"));
    EXPECT_EQ(complaint(), "valid");
    EXPECT_EQ(read_checkpoint(path_, 0).manifest.find("world_size")->as_int(), 2);
}

TEST_F(CheckpointTest, TellsAllRanksWhatFailedOnOne) {
    const std::vector<std::string> errors = run_ranks(3, [&](ThreadComm& comm) {
        Checkpoint checkpoint = example_checkpoint(comm.rank());
        if (comm.rank() == 2) checkpoint.rank.tensors["bad"] = torch::eye(2).to_sparse();
        write_checkpoint(path_, pointer_, checkpoint, comm);
    });
    EXPECT_EQ(
        errors[0].find("the checkpoint " + path_ + " was not written: [rank 2] cannot write "), 0u)
        << errors[0];
    EXPECT_NE(errors[0].find("rank2.safetensors: tensor \"bad\" is not dense. Earlier checkpoints "
                             "are as they were"),
              std::string::npos)
        << errors[0];
    EXPECT_EQ(errors[1], errors[0]);
    EXPECT_EQ(errors[2], errors[0]);
    EXPECT_TRUE(names(fs::path(path_).parent_path()).empty());
    EXPECT_FALSE(fs::exists(pointer_));
}

TEST_F(CheckpointTest, SaysWhyItsFolderCannotBeMade) {
    path_ = "/proc/nowhere/epoch_1";
    const std::vector<std::string> errors = write(2);
    EXPECT_EQ(errors[0].find("the checkpoint /proc/nowhere/epoch_1 was not written: [rank 0] "), 0u)
        << errors[0];
    EXPECT_EQ(errors[0], errors[1]);
}

TEST_F(CheckpointTest, RefusesNamesThatItCouldNotFindAgain) {
    for (const std::string name : {"run", "a/b"}) {
        const std::vector<std::string> errors = run_ranks(1, [&](ThreadComm& comm) {
            Checkpoint checkpoint;
            checkpoint.modules[name];
            write_checkpoint(path_, "", checkpoint, comm);
        });
        EXPECT_EQ(errors[0], "the checkpoint " + path_ +
                                 " was not written: [rank 0] the state of a module cannot be saved "
                                 "under the name \"" +
                                 name + "\". Earlier checkpoints are as they were");
    }
}

TEST_F(CheckpointTest, FindsDamage) {
    struct Case {
        std::string what;
        std::function<void(const std::string&)> damage;
        std::string complaint;
    };
    auto replace = [](const std::string& file, const std::string& from, const std::string& to) {
        std::string all = text(file);
        const size_t at = all.find(from);
        ASSERT_NE(at, std::string::npos) << from << " in " << all;
        std::ofstream(file, std::ios::binary) << all.replace(at, from.size(), to);
    };
    // What is wrong was written so.
    auto vouch = [](const std::string& manifest) {
        const std::string right = test::with_checksum(text(manifest));
        std::ofstream(manifest, std::ios::binary) << right;
    };
    const std::vector<Case> table = {
        {"nothing", [](const std::string&) {}, "valid"},
        {"no folder", [](const std::string& path) { fs::remove_all(path); },
         "the checkpoint PATH is not complete: cannot open PATH/manifest.json: No such file or "
         "directory"},
        {"no manifest", [](const std::string& path) { fs::remove(path + "/manifest.json"); },
         "the checkpoint PATH is not complete: cannot open PATH/manifest.json: No such file or "
         "directory"},
        {"a missing file", [](const std::string& path) { fs::remove(path + "/rank1.safetensors"); },
         "the checkpoint PATH is not complete: cannot open PATH/rank1.safetensors: No such file or "
         "directory"},
        {"a shorter file",
         [](const std::string& path) { fs::resize_file(path + "/state.json", 10); }, "SIZE"},
        {"an empty file",
         [](const std::string& path) { fs::resize_file(path + "/model.safetensors", 0); }, "SIZE"},
        {"a changed byte",
         [&](const std::string& path) { replace(path + "/state.json", "0.1", "0.2"); },
         "the checkpoint PATH is damaged: the checksum of state.json is not that of its manifest"},
        {"another format",
         [&](const std::string& path) {
             replace(path + "/manifest.json", "ailab checkpoint", "other");
         },
         "the checkpoint PATH is not complete: PATH/manifest.json is not of an ailab checkpoint: "
         "its format is FORMAT"},
        {"a changed fact",
         [&](const std::string& path) {
             replace(path + "/manifest.json", "\"world_size\": 2", "\"world_size\": 1");
         },
         "the checkpoint PATH is not complete: PATH/manifest.json is damaged: its checksum of "
         "itself is not that of its bytes"},
        {"more ranks than files",
         [&](const std::string& path) {
             replace(path + "/manifest.json", "\"world_size\": 2", "\"world_size\": 3");
             vouch(path + "/manifest.json");
         },
         "the checkpoint PATH is not complete: its manifest has no rank2.safetensors"},
        {"a file outside",
         [&](const std::string& path) {
             replace(path + "/manifest.json", "\"state.json\"", "\"../state.json\"");
             vouch(path + "/manifest.json");
         },
         "ENTRY"},
    };
    for (const Case& c : table) {
        fs::remove_all(path_);
        write(2);
        c.damage(path_);
        const std::string found = complaint();
        if (c.complaint == "SIZE")
            EXPECT_NE(found.find(" bytes, its manifest says "), std::string::npos) << found;
        else if (c.complaint == "ENTRY")
            EXPECT_NE(found.find("the entry of the file \"../state.json\" is wrong: "),
                      std::string::npos)
                << found;
        else if (const size_t at = c.complaint.find("FORMAT"); at != std::string::npos)
            EXPECT_EQ(found.substr(0, at), c.complaint.substr(0, at));
        else
            EXPECT_EQ(found, c.complaint) << c.what;
    }
}

}  // namespace
}  // namespace ailab
