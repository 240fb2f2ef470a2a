// Whole jobs as processes: their collectives, and how they end.
#include <gtest/gtest.h>

#include <csignal>
#include <regex>
#include <thread>

#include "ailab/error.hpp"
#include "distributed/net.hpp"
#include "processes.hpp"

namespace ailab::test {
namespace {

const std::string this_host = dist::host_name();

// ---- collectives

TEST(Collectives, OverABackend) {
    const Outcome outcome = run_ranks_alone(3, {"communicate"}, master(free_port()));
    EXPECT_EQ(outcome.statuses, (std::vector<int>{0, 0, 0}));
    EXPECT_EQ(outcome.output, "shut down\nshut down\nshut down\n");
}

TEST(Collectives, AFailureNamesTheCollective) {
    const Outcome outcome = run_ranks_alone(2, {"collective_fails"}, master(free_port()));
    EXPECT_EQ(outcome.statuses, (std::vector<int>{1, 1}));
    ASSERT_EQ(outcome.messages().size(), 1u) << outcome.output;
    EXPECT_TRUE(std::regex_match(
        outcome.messages()[0],
        std::regex(
            "ailab: \\[rank [01], " + this_host +
            "\\] val, epoch 1, iter 2, step 3: all_reduce_sum of \\[[12]\\] Float over store "
            "failed: rank [01] sent [48] bytes for [48]")))
        << outcome.output;
}

TEST(Collectives, AKilledRankIsNamedRatherThanWhatFailedBecauseOfIt) {
    const Outcome outcome = run_ranks_alone(3, {"collective_and_kill"}, master(free_port()));
    ASSERT_EQ(outcome.messages().size(), 1u) << outcome.output;
    EXPECT_NE(outcome.output.find("[rank 2, " + this_host + "] ended without a word"),
              std::string::npos)
        << outcome.output;
}

// ---- ending

struct Fault {
    std::string name;
    std::vector<std::string> arguments;
    std::string message;  // a regular expression
    int status;           // of the ranks that are not killed
    int mpirun_status;
};

void PrintTo(const Fault& fault, std::ostream* out) {
    *out << fault.name;
}

class Faults : public testing::TestWithParam<Fault> {};

const std::string position = "train, epoch 3, iter 17, step 412";

void expect_one_message(const Outcome& outcome, const Fault& fault) {
    const std::vector<std::string> messages = outcome.messages();
    ASSERT_EQ(messages.size(), 1u) << outcome.output;
    EXPECT_TRUE(std::regex_match(messages[0], std::regex("ailab: \\[rank " + fault.message)))
        << messages[0];
    EXPECT_LT(outcome.seconds, 20);  // which a job takes that nobody ends
}

TEST_P(Faults, EndTheJobWithOneMessageUnderMpirun) {
    const Outcome outcome = run_mpirun(3, GetParam().arguments);
    expect_one_message(outcome, GetParam());
    // mpirun tells the status of the rank whose end it noticed first.
    const int status = outcome.statuses[0];
    EXPECT_TRUE(status == GetParam().status || status == GetParam().mpirun_status)
        << outcome.output;
}

TEST_P(Faults, EndTheJobWithOneMessageWithoutALauncher) {
    const Outcome outcome = run_ranks_alone(3, GetParam().arguments, master(free_port()));
    expect_one_message(outcome, GetParam());
    EXPECT_EQ(outcome.output, outcome.messages()[0] + "\n") << "nothing else is said";
    int others = 0;
    for (const int status : outcome.statuses) {
        EXPECT_NE(status, 0);
        others += status == GetParam().status;
    }
    EXPECT_GE(others, 2) << testing::PrintToString(outcome.statuses);
}

std::string at(int rank) {
    return std::to_string(rank) + ", " + this_host + "\\] ";
}
std::string lost(int rank) {
    return at(rank) + "ended without a word \\(killed\\?\\); last heartbeat: (start|" + position +
           "), [0-9]\\.[0-9] s before";
}

INSTANTIATE_TEST_SUITE_P(
    Table, Faults,
    testing::Values(
        Fault{"Fail0", {"fail", "rank=0"}, at(0) + position + ": boom", 1, 1},
        Fault{"Fail2", {"fail", "rank=2"}, at(2) + position + ": boom", 1, 1},
        Fault{"AllFail", {"all_fail"}, "([0-2]), " + this_host + "\\] start: boom on \\1", 1, 1},
        Fault{"Kill0", {"kill", "rank=0", "after=600"}, lost(0), 1, 137},
        Fault{"Kill1", {"kill", "rank=1", "after=600"}, lost(1), 1, 137},
        Fault{"Exit2", {"exit", "rank=2"}, lost(2), 1, 3},
        Fault{"Leave0", {"leave", "rank=0"}, lost(0), 1, 4},
        Fault{"Leave1", {"leave", "rank=1"}, lost(1), 1, 4},
        Fault{"Config1", {"config", "rank=1"}, at(1) + position + ": train.yaml:1:1: wrong", 2, 2},
        Fault{"Terminate0",
              {"terminate", "rank=0"},
              at(0) + position + ": stopped by SIGTERM",
              143,
              143},
        Fault{"Terminate2",
              {"terminate", "rank=2"},
              at(2) + position + ": stopped by SIGTERM",
              143,
              143},
        Fault{"FailWhileOthersFinish",
              {"fail", "rank=1", "others=finish"},
              at(1) + position + ": boom",
              1,
              1},
        Fault{"KillWhileOthersFinish", {"kill", "rank=0", "others=finish"}, lost(0), 1, 137}),
    [](const auto& info) { return info.param.name; });

TEST(Ending, AConfigurationErrorOfAllRanksIsPrintedOnceAsItIs) {
    const std::string text = "train.yaml:1:1: wrong\ntrain.yaml:2:1: too\n";
    const Outcome alone = run_ranks_alone(3, {"all_config"}, master(free_port()));
    EXPECT_EQ(alone.statuses, (std::vector<int>{2, 2, 2}));
    EXPECT_EQ(alone.output, text);
    const Outcome outcome = run_mpirun(3, {"all_config"});
    EXPECT_EQ(outcome.statuses[0], 2);
    EXPECT_TRUE(outcome.output.starts_with(text)) << outcome.output;
    EXPECT_EQ(outcome.output.rfind("train.yaml:1:1"), 0u) << outcome.output;
}

TEST(Ending, AFailureOfOneRankAloneTellsWhereItWas) {
    Process alone({DIST_PROBE, "fail", "rank=0"}, {});
    EXPECT_EQ(alone.wait(), 1);
    EXPECT_EQ(alone.output(), "ailab: [rank 0, " + this_host + "] " + position + ": boom\n");
    Process config({DIST_PROBE, "all_config"}, {});
    EXPECT_EQ(config.wait(), 2);
    EXPECT_EQ(config.output(), "train.yaml:1:1: wrong\ntrain.yaml:2:1: too\n");
}

/// Starts a job that goes on for 20 s, and waits until it does: all ranks are there, and have told
/// each other so with a heartbeat.
std::vector<std::unique_ptr<Process>> busy_job(int np) {
    auto ranks = start_ranks(np, {"sleep", "rank=0", "say=ready"}, master(free_port()));
    wait_for_output(ranks, "ready\n");
    std::this_thread::sleep_for(std::chrono::seconds(1));
    return ranks;
}

TEST(Ending, ASignalToAllRanksIsToldOnce) {
    auto ranks = busy_job(3);
    for (const auto& rank : ranks) rank->signal(SIGINT);
    const Outcome outcome = wait_for(ranks);
    EXPECT_EQ(outcome.statuses, (std::vector<int>{130, 130, 130}));
    ASSERT_EQ(outcome.messages().size(), 1u) << outcome.output;
    EXPECT_NE(outcome.output.find(position + ": stopped by SIGINT\n"), std::string::npos);
    EXPECT_LT(outcome.seconds, 3);
}

TEST(Ending, ASignalToALoneRankEndsIt) {
    auto ranks = busy_job(1);
    ranks[0]->signal(SIGTERM);
    const Outcome outcome = wait_for(ranks);
    EXPECT_EQ(outcome.statuses, std::vector<int>{143});
    EXPECT_EQ(outcome.output,
              "ready\nailab: [rank 0, " + this_host + "] " + position + ": stopped by SIGTERM\n");
    EXPECT_LT(outcome.seconds, 1);
}

TEST(Ending, TheLowestSurvivorSpeaksWhenTwoAreKilled) {
    auto ranks = busy_job(4);
    ranks[1]->signal(SIGSTOP);  // so that rank 0 cannot speak of it first
    ranks[0]->signal(SIGKILL);
    ranks[1]->signal(SIGKILL);
    const Outcome outcome = wait_for(ranks);
    EXPECT_EQ(outcome.statuses, (std::vector<int>{137, 137, 1, 1}));
    ASSERT_EQ(outcome.messages().size(), 1u) << outcome.output;
    EXPECT_TRUE(std::regex_match(outcome.messages()[0], std::regex("ailab: \\[rank " + lost(0))));
    EXPECT_LT(outcome.seconds, 5);
}

/// Of a job whose rank 1 is never started: what rank 2 says when rank 0 is gone before all have
/// met.
std::string words_of_rank_2(bool launcher_ends_the_job) {
    Variables variables = master(free_port());
    const auto start = [&](const char* rank) {
        variables["RANK"] = variables["LOCAL_RANK"] = rank;
        variables["WORLD_SIZE"] = variables["LOCAL_WORLD_SIZE"] = "3";
        return std::make_unique<Process>(std::vector<std::string>{DIST_PROBE, "greet"}, variables);
    };
    const auto zero = start("0"), two = start("2");
    // Until rank 0 says who is missing, and so has heard of rank 2.
    while (zero->output().find("rank 1") == std::string::npos && zero->running())
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    zero->signal(SIGKILL);
    if (launcher_ends_the_job) two->signal(SIGTERM);
    EXPECT_EQ(two->wait(), launcher_ends_the_job ? 143 : 1);
    return two->output();
}

TEST(Ending, OfRankZeroBeforeAllHaveMetIsToldUnlessTheLauncherEndsTheJob) {
    EXPECT_NE(words_of_rank_2(false).find("ailab: [rank 0, unknown host] ended without a word"),
              std::string::npos);
    EXPECT_EQ(words_of_rank_2(true), "") << "one that died as it was started is the cause";
}

TEST(Ending, ARankThatDoesNotAnswerDoesNotKeepTheOthers) {
    auto ranks = busy_job(3);
    ranks[2]->signal(SIGSTOP);
    ranks[1]->signal(SIGTERM);
    EXPECT_EQ(ranks[0]->wait(), 143);
    EXPECT_EQ(ranks[1]->wait(), 143);
}

}  // namespace
}  // namespace ailab::test
