// The commit protocol: whichever system call fails, once or for good, all ranks get the same error,
// nothing half-written stays, and earlier checkpoints are intact.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "checkpoint/checkpoint.hpp"
#include "core/distributed/thread_comm.hpp"
#include "example_checkpoint.hpp"
#include "failing_calls.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;
using test::example_checkpoint;
using test::FailingCall;
using test::run_ranks;
using test::ThreadComm;
using Names = std::set<std::string>;

struct Fault {
    std::string call;
    bool for_good;
};

class CommitFaults : public testing::TestWithParam<Fault> {
  protected:
    void SetUp() override {
        root_ = fs::temp_directory_path() / ("ailab_commit_" + std::to_string(getpid()));
        fs::remove_all(root_);
        fs::create_directories(root_);
        pointer_ = root_ / "last_checkpoint";
    }
    void TearDown() override { fs::remove_all(root_); }

    std::vector<std::string> write(const std::string& name) {
        return run_ranks(2, [&](ThreadComm& comm) {
            write_checkpoint(root_ / "checkpoints" / name, pointer_,
                             example_checkpoint(comm.rank()), comm);
        });
    }
    Names checkpoints() const {
        Names result;
        for (const auto& entry : fs::directory_iterator(root_ / "checkpoints"))
            result.insert(entry.path().filename());
        return result;
    }
    Names files() const {
        Names result;
        for (const auto& entry : fs::directory_iterator(root_))
            result.insert(entry.path().filename());
        return result;
    }
    std::string newest() const {
        std::ifstream stream(pointer_);
        const std::string text((std::istreambuf_iterator<char>(stream)), {});
        return fs::path(text).filename();
    }

    fs::path root_;
    std::string pointer_;
};

const std::vector<std::string> no_error = {"", ""};

TEST_P(CommitFaults, LeaveTheOldOrTheNewCheckpoint) {
    int nth = 1;
    for (;; ++nth) {
        ASSERT_LT(nth, 200) << "every call fails";
        fs::remove_all(root_ / "checkpoints");
        ASSERT_EQ(write("epoch_1"), no_error);
        std::vector<std::string> errors;
        bool happened = false;
        {
            const FailingCall fault(GetParam().call, nth, GetParam().for_good);
            errors = write("epoch_2");
            happened = fault.happened();
        }
        SCOPED_TRACE(GetParam().call + " " + std::to_string(nth) + ": " + errors[0]);
        EXPECT_EQ(errors[0], errors[1]);
        EXPECT_NO_THROW(validate_checkpoint(root_ / "checkpoints" / "epoch_1"));
        EXPECT_EQ(files(), (Names{"checkpoints", "last_checkpoint"}));
        if (errors[0].find("was not written") != std::string::npos) {
            EXPECT_EQ(checkpoints(), Names{"epoch_1"});
            EXPECT_EQ(newest(), "epoch_1");
        } else {
            EXPECT_EQ(checkpoints(), (Names{"epoch_1", "epoch_2"}));
            EXPECT_NO_THROW(validate_checkpoint(root_ / "checkpoints" / "epoch_2"));
        }
        if (!happened) break;
        // The next one is written as if nothing had been.
        ASSERT_EQ(write("epoch_2"), no_error);
        EXPECT_EQ(newest(), "epoch_2");
    }
    EXPECT_GT(nth, 1) << "the call is never made";
}

TEST_P(CommitFaults, LeaveTheOldOrTheNewOfTheSameName) {
    for (int nth = 1;; ++nth) {
        ASSERT_LT(nth, 200) << "every call fails";
        fs::remove_all(root_ / "checkpoints");
        ASSERT_EQ(write("epoch_1"), no_error);
        std::vector<std::string> errors;
        bool happened = false;
        {
            const FailingCall fault(GetParam().call, nth, GetParam().for_good);
            errors = write("epoch_1");
            happened = fault.happened();
        }
        SCOPED_TRACE(GetParam().call + " " + std::to_string(nth) + ": " + errors[0]);
        EXPECT_EQ(errors[0], errors[1]);
        EXPECT_NO_THROW(validate_checkpoint(root_ / "checkpoints" / "epoch_1"));
        EXPECT_EQ(newest(), "epoch_1");
        if (!happened) break;
    }
}

INSTANTIATE_TEST_SUITE_P(EachCall, CommitFaults,
                         testing::Values(Fault{"mkdir", false}, Fault{"open", false},
                                         Fault{"open", true}, Fault{"write", false},
                                         Fault{"write", true}, Fault{"fsync", false},
                                         Fault{"fsync", true}, Fault{"close", false},
                                         Fault{"rename", false}, Fault{"rename", true}),
                         [](const auto& info) {
                             return info.param.call + (info.param.for_good ? "_for_good" : "_once");
                         });

TEST_F(CommitFaults, NameTheFullDisk) {
    std::vector<std::string> errors;
    {
        const FailingCall full("write", 1, true);
        errors = write("epoch_1");
    }
    EXPECT_EQ(errors[0].find("the checkpoint " + (root_ / "checkpoints" / "epoch_1").string() +
                             " was not written: [rank 0] cannot write "),
              0u)
        << errors[0];
    EXPECT_NE(errors[0].find("No space left on device (and an error on 1 more rank(s)). Earlier "
                             "checkpoints are as they were"),
              std::string::npos)
        << errors[0];
}

}  // namespace
}  // namespace ailab
