// Which checkpoint `auto`, a path or a last_checkpoint means.
#include "work_dir/find_checkpoint.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "ailab/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "core/checkpoint/example_checkpoint.hpp"
#include "core/distributed/thread_comm.hpp"
#include "work_dir/last_checkpoint.hpp"

namespace ailab::test {
namespace {

namespace fs = std::filesystem;
using Texts = std::vector<std::string>;

class FindCheckpoint : public testing::Test {
  protected:
    void SetUp() override {
        root_ = fs::temp_directory_path() / ("ailab_find_checkpoint_" + std::to_string(getpid()));
        fs::remove_all(root_);
        fs::create_directories(root_);
    }
    void TearDown() override { fs::remove_all(root_); }

    std::string path(const std::string& name) const { return (root_ / name).string(); }

    /// A run's folder with its configuration.
    std::string make_run(const std::string& name) const {
        fs::create_directories(root_ / name);
        std::ofstream(root_ / name / "config.yaml") << "{}";
        return path(name);
    }
    /// Written by `run` into `folder` after `step` steps, `step` seconds later than the first; it
    /// is then what the run's work_dir points to.
    void save(const std::string& run, const std::string& folder, int64_t step) const {
        Checkpoint checkpoint = example_checkpoint(0);
        checkpoint.manifest.set("step", Node(step));
        checkpoint.manifest.set("saved_at", Node(1'700'000'000 + step));
        checkpoint.manifest.set("run_dir", Node::string(path(run)));
        const std::string pointer =
            (fs::path(path(run)).parent_path() / "last_checkpoint").string();
        run_ranks(1, [&](ThreadComm& comm) {
            write_checkpoint(concat(path(folder), "/epoch_", step), pointer, checkpoint, comm);
        });
    }
    std::string shorten(std::string text) const {
        for (size_t at; (at = text.find(root_.string() + "/")) != std::string::npos;)
            text.erase(at, root_.string().size() + 1);
        return text;
    }
    std::string newest(const std::string& work_dir) const {
        return shorten(find_newest_checkpoint(path(work_dir)).path);
    }
    Texts skipped(const std::string& work_dir) const {
        Texts texts;
        for (const std::string& text : find_newest_checkpoint(path(work_dir)).skipped)
            texts.push_back(shorten(text));
        return texts;
    }

    fs::path root_;
};

TEST_F(FindCheckpoint, TakesTheNewestOfAllRuns) {
    EXPECT_EQ(newest("work"), "");
    EXPECT_FALSE(find_newest_checkpoint(path("work")).exist);
    const std::vector<std::pair<std::string, int64_t>> order = {
        {"work/a", 1}, {"work/b", 3}, {"work/a", 2}};
    for (const auto& [run, step] : order) {
        make_run(run);
        save(run, run + "/checkpoints", step);
    }
    EXPECT_EQ(newest("work"), "work/b/checkpoints/epoch_3");
    EXPECT_EQ(skipped("work"), Texts());
}

TEST_F(FindCheckpoint, TakesTheCopyAndNotTheOriginal) {
    make_run("work/a");
    save("work/a", "work/a/checkpoints", 1);
    save("work/a", "work/a/checkpoints", 2);
    // A plain copy has the times of the copying, in whatever order.
    fs::copy(path("work"), path("copy"), fs::copy_options::recursive);
    fs::last_write_time(path("copy/a/checkpoints/epoch_1/manifest.json"),
                        fs::file_time_type::clock::now() + std::chrono::hours(1));
    save("work/a", "work/a/checkpoints", 3);
    EXPECT_EQ(newest("copy"), "copy/a/checkpoints/epoch_2");
    EXPECT_EQ(skipped("copy"), Texts());
    EXPECT_EQ(shorten(resolve_checkpoint(path("copy/last_checkpoint"))),
              "copy/a/checkpoints/epoch_2");
    EXPECT_EQ(shorten(resolve_checkpoint(path("work/last_checkpoint"))),
              "work/a/checkpoints/epoch_3");
    fs::rename(path("work"), path("moved"));
    EXPECT_EQ(newest("moved"), "moved/a/checkpoints/epoch_3");
}

TEST_F(FindCheckpoint, FollowsASaveDirOfItsOwnRunsOnly) {
    make_run("work/a");
    save("work/a", "elsewhere", 1);
    EXPECT_EQ(newest("work"), "elsewhere/epoch_1");
    EXPECT_EQ(shorten(run_folder_in(path("work"), path("work/a"))), "work/a");

    fs::copy(path("work"), path("copy"), fs::copy_options::recursive);
    EXPECT_EQ(newest("copy"), "");
    EXPECT_TRUE(find_newest_checkpoint(path("copy")).exist) << "no fresh start beside it";
    EXPECT_EQ(skipped("copy"),
              Texts{"elsewhere/epoch_1: the last_checkpoint of copy names it, but it is of the run "
                    "work/a, outside of this work_dir; to go on from it, name it in resume_from"});
    EXPECT_EQ(run_folder_in(path("copy"), path("work/a")), "");

    fs::remove_all(path("work"));  // what is left is the run, moved
    EXPECT_EQ(newest("copy"), "elsewhere/epoch_1");
    EXPECT_EQ(shorten(run_folder_in(path("copy"), path("work/a"))), "copy/a");
}

TEST_F(FindCheckpoint, FollowsASaveDirInsideTheWorkDir) {
    make_run("work/a");
    save("work/a", "work/kept", 1);
    fs::copy(path("work"), path("copy"), fs::copy_options::recursive);
    EXPECT_EQ(newest("work"), "work/kept/epoch_1");
    EXPECT_EQ(newest("copy"), "copy/kept/epoch_1");
}

TEST_F(FindCheckpoint, NamesEachThatItPassesOver) {
    make_run("work/a");
    const std::string folder = "work/a/checkpoints";
    for (int64_t step = 1; step <= 5; ++step) save("work/a", folder, step);
    fs::remove(path(folder + "/epoch_2/manifest.json"));
    std::ofstream(path(folder + "/epoch_3/model.safetensors"), std::ios::app) << "x";
    fs::remove(path(folder + "/epoch_4/rank0.safetensors"));
    fs::remove_all(path(folder + "/epoch_5"));
    EXPECT_EQ(newest("work"), folder + "/epoch_1");
    const Texts texts = skipped("work");
    ASSERT_EQ(texts.size(), 4u) << testing::PrintToString(texts);
    const Texts wanted = {"epoch_2: the checkpoint ", "epoch_4: the checkpoint ",
                          "epoch_3: the checkpoint ",
                          "epoch_5: last_checkpoint names it, and it is not there"};
    for (size_t i = 0; i < texts.size(); ++i)
        EXPECT_EQ(texts[i].find(folder + "/" + wanted[i]), 0u) << texts[i];
    EXPECT_NE(texts[0].find("is not complete"), std::string::npos) << texts[0];
    EXPECT_NE(texts[1].find("rank0.safetensors"), std::string::npos) << texts[1];
    EXPECT_NE(texts[2].find("bytes, its manifest says"), std::string::npos) << texts[2];
}

TEST_F(FindCheckpoint, ALastCheckpointWhoseRunsWereRemovedIsAFreshStart) {
    make_run("work/a");
    save("work/a", "work/a/checkpoints", 1);
    fs::remove_all(path("work/a"));
    EXPECT_EQ(newest("work"), "");
    EXPECT_FALSE(find_newest_checkpoint(path("work")).exist);
    EXPECT_EQ(skipped("work"), Texts{"work/a/checkpoints/epoch_1: last_checkpoint names it, and it "
                                     "is not there"});
}

TEST_F(FindCheckpoint, RefusesPathsThatNameNone) {
    fs::create_directories(path("empty"));
    fs::create_directories(path("gone"));
    std::ofstream(path("gone/last_checkpoint")) << "nowhere/epoch_1\n";
    const auto refusal = [&](const std::string& name) {
        try {
            return "took " + resolve_checkpoint(path(name));
        } catch (const Error& error) {
            return shorten(error.what());
        }
    };
    EXPECT_EQ(refusal("nowhere"),
              "nowhere does not exist; name a checkpoint's folder (…/checkpoints/epoch_1), a run's "
              "folder, a last_checkpoint, or auto");
    EXPECT_EQ(refusal("empty"), "empty is no checkpoint and holds none");
    EXPECT_EQ(
        refusal("gone/last_checkpoint"),
        "gone/last_checkpoint names the checkpoint \"nowhere/epoch_1\", which is not there (a "
        "relative path counts from the current directory); name the checkpoint's folder "
        "itself");
}

TEST_F(FindCheckpoint, WhatWasBrokenOffIsNoneAndABrokenOneIsOne) {
    make_run("work/a");
    fs::create_directories(root_ / "work/a/checkpoints/iter_6.tmp-18a1-2f-77");
    fs::create_directories(root_ / "work/a/checkpoints/iter_4.tmp-18a1-2f-77-old");
    EXPECT_FALSE(find_newest_checkpoint(path("work")).exist) << "a fresh start";
    fs::create_directories(root_ / "work/a/checkpoints/iter_3");
    EXPECT_TRUE(find_newest_checkpoint(path("work")).exist) << "no fresh start beside it";
}

TEST_F(FindCheckpoint, AnotherNameForLatestIsTheRunsOwn) {
    make_run("work/a");
    save("work/a", "work/a/checkpoints", 1);
    fs::create_directory_symlink("a", root_ / "work/latest");
    for (const char* given : {"work/latest", "work/latest/", "work/latest/checkpoints",
                              "work/latest/checkpoints/epoch_1", "work/./latest"})
        EXPECT_EQ(fs::path(resolve_checkpoint(path(given))).lexically_normal(),
                  root_ / "work/a/checkpoints/epoch_1")
            << given;
    EXPECT_EQ(shorten(run_folder_in(path("work"), path("work/latest"))), "work/a");
    // Only the link that runs make: other links and folders are as the user has them.
    fs::create_directory_symlink(root_ / "work", root_ / "link");
    EXPECT_EQ(shorten(without_latest(path("link/latest"))), "link/a");
    fs::create_directories(root_ / "plain/latest");
    EXPECT_EQ(shorten(without_latest(path("plain/latest"))), "plain/latest");
}

}  // namespace
}  // namespace ailab::test
