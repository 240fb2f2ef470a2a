// Ranks that do not fail but keep the others waiting: the job ends after its timeout, and names
// them.
#include <gtest/gtest.h>

#include <signal.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <thread>

#include "distributed/net.hpp"
#include "processes.hpp"

namespace ailab::test {
namespace {

const std::string own_host = dist::host_name();

bool within(double seconds, const auto& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (!condition() && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return condition();
}

struct Hang {
    std::string how;  // stop: the process; loop: its main thread
    int rank;
    std::string others;  // wait: in a collective; finish: they are done
};

void PrintTo(const Hang& hang, std::ostream* out) {
    *out << hang.how << " " << hang.rank << " " << hang.others;
}

class Hanging : public testing::TestWithParam<Hang> {};

TEST_P(Hanging, EndsTheJobAfterTheTimeoutAndIsNamedWithWhatItDoes) {
    const Hang& hang = GetParam();
    auto ranks = start_ranks(3,
                             {hang.how, "rank=" + std::to_string(hang.rank), "timeout=2",
                              "after=700", "others=" + hang.others},
                             master(free_port()));
    const auto begin = std::chrono::steady_clock::now();
    std::string output;
    for (int rank = 0; rank < 3; ++rank) {
        if (rank == hang.rank) continue;
        EXPECT_EQ(ranks[size_t(rank)]->wait(std::chrono::seconds(30)), 1);
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    EXPECT_LT(took.count(), 20);
    // Should it wake, it ends too, and has nothing to add.
    ranks[size_t(hang.rank)]->signal(SIGCONT);
    EXPECT_EQ(ranks[size_t(hang.rank)]->wait(std::chrono::seconds(10)), 1);
    for (const auto& rank : ranks) output += rank->output();
    const std::string what =
        hang.how == "stop" ? "it has not answered for [0-9.]+ s \\(dist.timeout is 2 s\\): "
                             "stopped, or its host hangs"
                           : "it has not gone on for [0-9.]+ s \\(dist.timeout is 2 s\\), and "
                             "rank [0-2] waits for it (to end|in an exchange)";
    EXPECT_TRUE(std::regex_match(
        output,
        std::regex("ailab: \\[rank " + std::to_string(hang.rank) + ", " + own_host + "\\] " +
                   (hang.how == "stop" ? "last heard of at " : "") +
                   "train, epoch 3, iter 17, step 412, hook \"slow\", after_run: " + what + "\n")))
        << output;
}

INSTANTIATE_TEST_SUITE_P(Table, Hanging,
                         testing::Values(Hang{"stop", 0, "wait"}, Hang{"stop", 1, "wait"},
                                         Hang{"stop", 0, "finish"}, Hang{"stop", 2, "finish"},
                                         Hang{"loop", 0, "wait"}, Hang{"loop", 2, "wait"},
                                         Hang{"loop", 0, "finish"}, Hang{"loop", 1, "finish"}),
                         [](const auto& info) {
                             return info.param.how + std::to_string(info.param.rank) + "_others_" +
                                    info.param.others;
                         });

TEST(Pausing, AWholeJobThatIsStoppedForLongerThanTheTimeoutGoesOn) {
    auto ranks =
        start_ranks(3, {"fail", "rank=-1", "others=finish", "timeout=3", "after=1000", "say=ready"},
                    master(free_port()));
    for (const auto& rank : ranks)
        ASSERT_TRUE(within(30, [&] { return rank->output() == "ready\n"; }));
    for (const auto& rank : ranks) rank->signal(SIGSTOP);
    std::this_thread::sleep_for(std::chrono::milliseconds(4500));
    for (const auto& rank : ranks) rank->signal(SIGCONT);
    const Outcome outcome = wait_for(ranks);
    EXPECT_EQ(outcome.statuses, (std::vector<int>{0, 0, 0}));
    EXPECT_EQ(outcome.output, "ready\nready\nready\n");
}

// ---- the launcher

struct Start {
    std::string name;
    std::string variables;
    bool shell_between;
    bool watched;
};

void PrintTo(const Start& start, std::ostream* out) {
    *out << start.name;
}

class Launcher : public testing::TestWithParam<Start> {};

TEST_P(Launcher, ThatIsKilledTakesItsRanksAlongAndAShellDoesNot) {
    const Start& start = GetParam();
    // The shell stands for the launcher, or is the one that the user typed into.
    const TemporaryFolder folder;
    const std::string note = folder.path("pid");
    const std::string script = folder.path("rank.sh");
    std::ofstream(script) << "echo $$ > " << note << "\nexec " << DIST_PROBE
                          << " wait watch=launcher\n";
    const std::string rank =
        start.shell_between ? "sh -c 'sh " + script + "; true'" : "sh " + script;
    Process shell({"sh", "-c", start.variables + " " + rank + " & wait"}, {});
    pid_t pid = 0;
    const auto alive = [&] { return ::kill(pid, 0) == 0; };
    ASSERT_TRUE(within(10, [&] { return bool(std::ifstream(note) >> pid) && pid > 0; }));
    // It watches once it is itself, and has a thread for that.
    const auto threads = [&] {
        int count = 0;
        std::error_code none;
        for ([[maybe_unused]] const auto& each :
             std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", none))
            ++count;
        return count;
    };
    if (start.watched)
        ASSERT_TRUE(within(10, [&] { return threads() > 1; }));
    else
        within(1, [&] { return threads() > 1; });
    shell.signal(SIGKILL);
    shell.wait();
    if (start.watched) {
        EXPECT_TRUE(within(5, [&] { return !alive(); }));
        EXPECT_NE(shell.output().find("the launcher that started this rank is gone"),
                  std::string::npos);
    } else {
        EXPECT_FALSE(within(1, [&] { return !alive(); }));
    }
    ::kill(pid, SIGKILL);
}

const std::string mpirun = "OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=2 PMIX_NAMESPACE=1";
INSTANTIATE_TEST_SUITE_P(
    Table, Launcher,
    testing::Values(Start{"Mpirun", mpirun, false, true},
                    Start{"MpirunAndAShell", mpirun, true, true},
                    Start{"Torchrun", "RANK=1 WORLD_SIZE=2 TORCHELASTIC_RUN_ID=x", false, true},
                    Start{"Slurm", "SLURM_PROCID=1 SLURM_NTASKS=2 SLURM_STEP_ID=0", false, true},
                    Start{"SlurmAndAShell", "SLURM_PROCID=1 SLURM_NTASKS=2 SLURM_STEP_ID=0", true,
                          true},
                    Start{"ByHand", "", false, false},
                    Start{"ByHandWithVariables", "RANK=1 WORLD_SIZE=2", false, false}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace ailab::test
