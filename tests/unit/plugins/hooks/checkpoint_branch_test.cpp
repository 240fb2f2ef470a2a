// CheckpointHook in a run that goes on from a checkpoint which is not the newest of its folder.
#include <algorithm>
#include <filesystem>

#include "plugins/fake_run.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;
using test::FakeRun;
using test::HookTest;
using test::make;
using test::run_ranks;
using test::ThreadComm;
using FolderNames = std::vector<std::string>;

class CheckpointBranch : public HookTest {
  protected:
    static std::shared_ptr<Hook> hook() {
        return make<Hook>(R"({"type": "CheckpointHook", "keep_last": 2, "save_best": "top1"})");
    }
    std::string in_folder(const std::string& name) const {
        return (folder_ / "checkpoints" / name).string();
    }
    /// Epochs, with a result of val after each.
    void train(Hook& hook, FakeRun& run, int64_t first, const std::vector<double>& top1) {
        run.now.total_epochs = 100;
        run.now.epoch = first - 1;
        hook.before_run(run);
        for (const double value : top1) {
            ++run.now.step;
            ++run.now.train_iter;
            run.now.iter = 0;
            run.now.iters = 1;
            run.now.phase = Phase::train;
            hook.after_train_epoch(run);
            states_[run.now.epoch + 1] = hook.save_state();
            run.now.phase = Phase::val;
            run.published[Phase::val] = {{"top1", value}};
            hook.after_val_epoch(run);
            ++run.now.epoch;
        }
        --run.now.epoch;
        hook.after_run(run);
    }
    FolderNames present() const {
        FolderNames names;
        for (const auto& entry : fs::directory_iterator(folder_ / "checkpoints"))
            names.push_back(entry.path().filename());
        std::sort(names.begin(), names.end());
        return names;
    }
    void in_a_run(const std::function<void(FakeRun&)>& work) const {
        const auto errors = run_ranks(1, [&](ThreadComm& comm) {
            FakeRun run(comm, folder_);
            work(run);
        });
        EXPECT_EQ(errors[0], "");
    }

    std::map<int64_t, State> states_;  // as the checkpoint of that epoch has it
};

TEST_F(CheckpointBranch, RemovesItsOwnAlone) {
    in_a_run([&](FakeRun& run) { train(*hook(), run, 1, {50, 60, 70, 80}); });
    EXPECT_EQ(present(), (FolderNames{"best_top1_epoch_4", "epoch_3", "epoch_4"}));

    in_a_run([&](FakeRun& run) {
        const auto again = hook();
        again->load_state(states_.at(3));
        run.resumed = in_folder("epoch_3");
        run.now.step = run.now.train_iter = 3;
        train(*again, run, 4, {10});
        // epoch_4 is its own now; what it cannot have written stays.
        EXPECT_EQ(present(), (FolderNames{"best_top1_epoch_4", "epoch_3", "epoch_4"}));
    });
    for (const char* abandoned : {"epoch_8", "iter_9", "best_top1_epoch_8"}) {
        fs::create_directories(in_folder(abandoned));
        std::ofstream(in_folder(abandoned) + "/manifest.json") << "{}";
    }
    in_a_run([&](FakeRun& run) {
        const auto again = hook();
        again->load_state(states_.at(4));
        run.resumed = in_folder("epoch_4");
        run.now.step = run.now.train_iter = 4;
        train(*again, run, 5, {90, 20});
    });
    EXPECT_EQ(present(), (FolderNames{"best_top1_epoch_4", "best_top1_epoch_5", "best_top1_epoch_8",
                                      "epoch_5", "epoch_6", "epoch_8", "iter_9"}))
        << "best_top1_epoch_4 is of the first run's end, which the second did not come from";
}

TEST_F(CheckpointBranch, RemovesWhatAKillLeftHalfRemoved) {
    in_a_run([&](FakeRun& run) { train(*hook(), run, 1, {50, 60, 70}); });
    // As a kill leaves it: the manifest goes first.
    fs::create_directories(in_folder("epoch_1"));
    std::ofstream(in_folder("epoch_1") + "/model.safetensors") << "weights";
    fs::create_directories(in_folder("epoch_9"));  // not of this branch
    in_a_run([&](FakeRun& run) {
        const auto again = hook();
        again->load_state(states_.at(3));
        run.resumed = in_folder("epoch_3");
        run.now.step = run.now.train_iter = 3;
        again->before_run(run);
    });
    EXPECT_EQ(present(), (FolderNames{"best_top1_epoch_3", "epoch_2", "epoch_3", "epoch_9"}));
}

TEST_F(CheckpointBranch, AStateThatDoesNotNameThemTakesThoseBefore) {
    in_a_run([&](FakeRun& run) { train(*hook(), run, 1, {50, 60}); });
    fs::create_directories(in_folder("epoch_7"));
    std::ofstream(in_folder("epoch_7") + "/manifest.json") << "{}";
    State older = states_.at(2);
    std::erase_if(older.values.members(),
                  [](const Member& member) { return member.key == "saved"; });
    in_a_run([&](FakeRun& run) {
        const auto again = hook();
        again->load_state(older);
        run.resumed = in_folder("epoch_2");
        run.now.step = run.now.train_iter = 2;
        train(*again, run, 3, {10, 10});
    });
    EXPECT_EQ(present(), (FolderNames{"best_top1_epoch_2", "epoch_3", "epoch_4", "epoch_7"}));
}

}  // namespace
}  // namespace ailab
