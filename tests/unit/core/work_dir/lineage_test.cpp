// Which checkpoint is newest when runs have gone on from others than their last.
#include "work_dir/lineage.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "ailab/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "core/checkpoint/example_checkpoint.hpp"
#include "core/checkpoint/older_manifest.hpp"
#include "core/distributed/thread_comm.hpp"
#include "work_dir/checkpoint_choice.hpp"
#include "work_dir/find_checkpoint.hpp"
#include "work_dir/last_checkpoint.hpp"

namespace ailab::test {
namespace {

namespace fs = std::filesystem;
using Texts = std::vector<std::string>;

/// Runs that write checkpoints named by their steps, as the runner does.
class LineageTest : public testing::Test {
  protected:
    void SetUp() override {
        root_ = fs::temp_directory_path() / ("ailab_lineage_" + std::to_string(getpid()));
        fs::remove_all(root_);
        fs::create_directories(work());
    }
    void TearDown() override { fs::remove_all(root_); }

    std::string work() const { return (root_ / "work").string(); }
    std::string run_dir(const std::string& run) const { return work() + "/" + run; }
    std::string checkpoint(const std::string& run, const std::string& name) const {
        return run_dir(run) + "/checkpoints/" + name;
    }

    /// Afresh, or from a checkpoint of its own.
    void start(const std::string& run, const std::string& from = "") {
        fs::create_directories(run_dir(run));
        std::ofstream(run_dir(run) + "/config.yaml") << "{}";
        newest_[run] = from.empty() ? "" : checkpoint(run, from);
        lineage_[run] = begin_branch(work(), run_dir(run), newest_[run], !from.empty());
    }
    /// `clock`: what the wall clock says then.
    void save(const std::string& run, const std::string& name, int64_t step, int64_t clock = 0) {
        lineage_[run] = next_on_branch(lineage_[run], step, work(), newest_[run]);
        Checkpoint saved = example_checkpoint(0);
        saved.manifest.set("step", Node(step));
        saved.manifest.set("saved_at", Node(clock));
        saved.manifest.set("run_dir", Node::string(run_dir(run)));
        saved.manifest.set("branch", lineage_node(lineage_[run]));
        newest_[run] = checkpoint(run, name);
        run_ranks(1, [&](ThreadComm& comm) {
            write_checkpoint(newest_[run], work() + "/last_checkpoint", saved, comm);
        });
    }
    void save_steps(const std::string& run, int64_t first, int64_t last) {
        for (int64_t step = first; step <= last; ++step) save(run, concat("epoch_", step), step);
    }
    void damage(const std::string& run, const std::string& name) const {
        std::ofstream(checkpoint(run, name) + "/model.safetensors", std::ios::app) << "x";
    }

    std::string shorten(std::string text) const {
        for (size_t at; (at = text.find(work() + "/")) != std::string::npos;)
            text.erase(at, work().size() + 1);
        return text;
    }
    std::string newest() const { return shorten(find_newest_checkpoint(work()).path); }
    std::string last() const {
        return shorten(read_last_checkpoint(work() + "/last_checkpoint").meant);
    }
    std::string best() const {
        try {
            return shorten(choose_checkpoint("best", work()));
        } catch (const Error& error) {
            return shorten(error.what());
        }
    }
    Texts left_behind(const std::string& run, const std::string& name) const {
        Texts names = find_left_behind(checkpoint(run, name), run_dir(run)).names;
        std::sort(names.begin(), names.end());
        return names;
    }

    fs::path root_;
    std::map<std::string, Lineage> lineage_;
    std::map<std::string, std::string> newest_;
};

TEST_F(LineageTest, ARunThatIsStoppedAndGoesOnIsOneBranch) {
    start("a");
    save_steps("a", 1, 2);
    start("a", "epoch_2");
    save_steps("a", 3, 4);
    EXPECT_EQ(lineage_["a"].branches.size(), 1u);
    EXPECT_EQ(newest(), "a/checkpoints/epoch_4");
    EXPECT_EQ(left_behind("a", "epoch_4"), Texts());
}

TEST_F(LineageTest, TheBranchLastTrainedIsFollowed) {
    start("a");
    save_steps("a", 1, 5);
    start("a", "epoch_2");
    EXPECT_EQ(newest(), "a/checkpoints/epoch_2") << "also before it has a checkpoint";
    EXPECT_EQ(last(), "a/checkpoints/epoch_2");
    EXPECT_EQ(left_behind("a", "epoch_2"), (Texts{"epoch_3", "epoch_4", "epoch_5"}));
    save_steps("a", 3, 3);
    EXPECT_EQ(newest(), "a/checkpoints/epoch_3");
    EXPECT_EQ(last(), "a/checkpoints/epoch_3");
    EXPECT_EQ(left_behind("a", "epoch_3"), (Texts{"epoch_4", "epoch_5"}));
    EXPECT_EQ(shorten(resolve_checkpoint(run_dir("a"))), "a/checkpoints/epoch_3");
    EXPECT_EQ(shorten(resolve_checkpoint(run_dir("a") + "/checkpoints")), "a/checkpoints/epoch_3");

    // And back again.
    start("a", "epoch_5");
    EXPECT_EQ(newest(), "a/checkpoints/epoch_5");
    EXPECT_EQ(left_behind("a", "epoch_5"), Texts{"epoch_3"}) << "which is the other branch's now";
    save_steps("a", 6, 6);
    EXPECT_EQ(newest(), "a/checkpoints/epoch_6");
}

TEST_F(LineageTest, ADamagedOneIsReplacedByThoseThatLedToIt) {
    start("a");
    save_steps("a", 1, 5);
    start("a", "epoch_2");
    save_steps("a", 3, 3);
    damage("a", "epoch_3");
    EXPECT_EQ(newest(), "a/checkpoints/epoch_2") << "not the future that was left behind";
    damage("a", "epoch_2");
    EXPECT_EQ(newest(), "a/checkpoints/epoch_1");
    damage("a", "epoch_1");
    EXPECT_EQ(newest(), "a/checkpoints/epoch_5") << "when nothing else is left";
    EXPECT_EQ(find_newest_checkpoint(work()).skipped.size(), 3u) << "and each is named";
}

TEST_F(LineageTest, NoClockIsAsked) {
    start("a");
    save("a", "epoch_1", 1, 2'000'000'000);  // hours ahead, and put right then
    save("a", "epoch_2", 2, 2'000'000'001);
    start("a", "epoch_2");
    save("a", "epoch_3", 3, 1'000'000'000);
    EXPECT_EQ(newest(), "a/checkpoints/epoch_3");
    start("b");
    save("b", "epoch_1", 1, 5);
    EXPECT_EQ(newest(), "b/checkpoints/epoch_1");
    for (const auto& entry : fs::directory_iterator(run_dir("a") + "/checkpoints"))
        fs::last_write_time(entry.path() / "manifest.json", fs::file_time_type::clock::now());
    EXPECT_EQ(newest(), "b/checkpoints/epoch_1");
}

TEST_F(LineageTest, OfRunsSideBySideTheLastToWriteIsTheNewest) {
    start("a");
    start("b");
    save_steps("b", 1, 3);
    save_steps("a", 1, 1);
    EXPECT_EQ(newest(), "a/checkpoints/epoch_1");
    save_steps("b", 4, 4);
    EXPECT_EQ(newest(), "b/checkpoints/epoch_4");
    start("a", "epoch_1");
    EXPECT_EQ(newest(), "a/checkpoints/epoch_1");
    save_steps("a", 2, 2);
    EXPECT_EQ(newest(), "a/checkpoints/epoch_2");
}

TEST_F(LineageTest, OfOneStepTheLaterIsTheNewest) {
    start("a");
    save("a", "epoch_1", 1);
    save("a", "best_top1_epoch_1", 1);  // behind the evaluation
    EXPECT_EQ(newest(), "a/checkpoints/best_top1_epoch_1");
    start("a", "epoch_1");
    EXPECT_EQ(newest(), "a/checkpoints/epoch_1");
    EXPECT_EQ(left_behind("a", "epoch_1"), Texts{"best_top1_epoch_1"});
}

TEST_F(LineageTest, TheBestIsThatOfTheBranch) {
    start("a");
    save("a", "epoch_1", 1);
    EXPECT_EQ(best(),
              "there is no best checkpoint in a/checkpoints; give CheckpointHook save_best "
              "when you train, or another checkpoint");
    save("a", "best_top1_epoch_1", 1);
    save("a", "epoch_2", 2);
    EXPECT_EQ(best(), "a/checkpoints/best_top1_epoch_1");
    save("a", "best_top1_epoch_2", 2);
    fs::remove_all(checkpoint("a", "best_top1_epoch_1"));  // as CheckpointHook does
    save("a", "epoch_3", 3);
    EXPECT_EQ(best(), "a/checkpoints/best_top1_epoch_2");
    start("a", "epoch_1");
    EXPECT_EQ(best(),
              "there is no best checkpoint on the way to a/checkpoints/epoch_1; "
              "a/checkpoints/best_top1_epoch_2 is of a branch that was left behind: name "
              "it, if it is meant");
    save("a", "epoch_2", 2);
    save("a", "best_loss_epoch_2", 2);
    EXPECT_EQ(best(), "a/checkpoints/best_loss_epoch_2");
}

TEST_F(LineageTest, ACopiedWorkDirStandsByItself) {
    start("a");
    save_steps("a", 1, 3);
    start("a", "epoch_2");
    fs::copy(work(), root_ / "copy", fs::copy_options::recursive);
    EXPECT_EQ(find_newest_checkpoint((root_ / "copy").string()).path,
              (root_ / "copy" / "a" / "checkpoints" / "epoch_2").string());
}

TEST_F(LineageTest, CheckpointsOfFormat1ComeInTheOrderOfTheirSteps) {
    start("a");
    for (int64_t step = 1; step <= 4; ++step)
        save("a", concat("epoch_", step), step, 1'000 - step);  // the clock runs backwards
    for (int64_t step = 1; step <= 4; ++step) make_older(checkpoint("a", concat("epoch_", step)));
    fs::remove(run_dir("a") + "/branch.json");
    EXPECT_EQ(newest(), "a/checkpoints/epoch_4");

    start("a", "epoch_2");
    EXPECT_EQ(newest(), "a/checkpoints/epoch_2");
    EXPECT_EQ(left_behind("a", "epoch_2"), (Texts{"epoch_3", "epoch_4"}));
    save_steps("a", 3, 3);
    EXPECT_EQ(newest(), "a/checkpoints/epoch_3");
    damage("a", "epoch_3");
    EXPECT_EQ(newest(), "a/checkpoints/epoch_2");
}

TEST_F(LineageTest, AStartThatCannotBeReadIsNone) {
    start("a");
    save_steps("a", 1, 2);
    start("a", "epoch_1");
    for (const char* text : {"", "[", "[]", "{}", "[{\"name\": 3}]"}) {
        std::ofstream(run_dir("a") + "/branch.json", std::ios::trunc) << text;
        EXPECT_EQ(newest(), "a/checkpoints/epoch_2") << text;
    }
}

TEST_F(LineageTest, NorIsAStartWithAChangedBit) {
    start("a");
    save_steps("a", 1, 2);
    start("a", "epoch_1");
    const std::string file = run_dir("a") + "/branch.json";
    std::ifstream stream(file);
    const std::string whole{std::istreambuf_iterator<char>(stream), {}};
    ASSERT_TRUE(read_start(run_dir("a")));
    for (size_t bit = 0; bit < 8 * whole.size(); bit += 7) {
        std::string changed = whole;
        changed[bit / 8] = char(changed[bit / 8] ^ 1 << bit % 8);
        std::ofstream(file, std::ios::trunc) << changed;
        EXPECT_FALSE(read_start(run_dir("a"))) << changed;
    }
}

TEST_F(LineageTest, OneOfAnOlderAilabHasNoChecksum) {
    start("a");
    std::ofstream(run_dir("a") + "/branch.json") << R"([{"name": "a", "step": 7, "order": 3}])";
    const std::optional<Lineage> found = read_start(run_dir("a"));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->own().step, 7);
}

TEST_F(LineageTest, AnUnreadableOneIsNamedUnlessItIsOlder) {
    start("a");
    save_steps("a", 1, 3);
    fs::create_directories(checkpoint("a", "epoch_4.tmp-1"));  // not complete, and so none
    fs::create_directories(checkpoint("a", "epoch_02"));
    fs::create_directories(checkpoint("a", "epoch_4"));
    fs::create_directories(checkpoint("a", "iter_9"));
    EXPECT_EQ(newest(), "a/checkpoints/epoch_3");
    Texts skipped;
    for (const std::string& text : find_newest_checkpoint(work()).skipped)
        skipped.push_back(fs::path(text.substr(0, text.find(": "))).filename());
    std::sort(skipped.begin(), skipped.end());
    EXPECT_EQ(skipped, (Texts{"epoch_4", "iter_9"}));
}

}  // namespace
}  // namespace ailab::test
