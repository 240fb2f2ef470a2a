// Whole jobs as processes: how their ranks find each other.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <regex>
#include <thread>

#include "ailab/error.hpp"
#include "distributed/environment.hpp"
#include "distributed/init_method.hpp"
#include "distributed/net.hpp"
#include "processes.hpp"

namespace ailab::test {
namespace {

const std::string host = dist::host_name();

std::string greeting(int rank, int size, const std::string& launcher) {
    std::string line =
        concat("rank ", rank, " of ", size, ", local ", rank, " of ", size, ", ", launcher, ": ");
    for (int each = 0; each < size; ++each) line += concat("r", each, " ");
    return line + "from0\n";
}

void expect_greetings(const Outcome& outcome, int size, const std::string& launcher) {
    for (const int status : outcome.statuses) EXPECT_EQ(status, 0);
    size_t expected = 0;
    for (int rank = 0; rank < size; ++rank) {
        const std::string line = greeting(rank, size, launcher);
        EXPECT_NE(outcome.output.find(line), std::string::npos) << line;
        expected += line.size();
    }
    EXPECT_EQ(outcome.output.size(), expected) << "nothing else is said:\n" << outcome.output;
}

/// What is said apart from who is waited for: c10d's store may keep a rank waiting for seconds.
std::string without_waiting(const std::string& output) {
    return std::regex_replace(
        output, std::regex("[^\n]* - WARNING - (waiting for|rank \\d+ still looks for) [^\n]*\n"),
        "");
}

/// Two ranks that each take themselves for the only one of their host.
void expect_two_hosts_met(const Outcome& outcome) {
    EXPECT_EQ(outcome.statuses, (std::vector<int>{0, 0}));
    EXPECT_EQ(without_waiting(outcome.output),
              "rank 0 of 2, local 0 of 1, env: r0 r1 from0\n"
              "rank 1 of 2, local 0 of 1, env: r0 r1 from0\n");
}

Variables as_on_two_hosts(Variables variables) {
    variables["LOCAL_WORLD_SIZE"] = "1";
    variables["LOCAL_RANK"] = "0";
    return variables;
}

std::string init_tcp(int port) {
    return "init=tcp://localhost:" + std::to_string(port);
}

/// A folder for the meetings of one test's jobs: other tests' jobs meet beside them.
class OwnMeetings {
  public:
    OwnMeetings() { ::setenv("XDG_RUNTIME_DIR", folder_.path("").c_str(), 1); }
    ~OwnMeetings() {
        if (before_)
            ::setenv("XDG_RUNTIME_DIR", before_->c_str(), 1);
        else
            ::unsetenv("XDG_RUNTIME_DIR");
    }
    OwnMeetings(const OwnMeetings&) = delete;
    OwnMeetings& operator=(const OwnMeetings&) = delete;

    /// Throws where no job met here.
    size_t files_left() const {
        const std::filesystem::directory_iterator files(folder_.path("ailab"));
        return static_cast<size_t>(std::distance(begin(files), end(files)));
    }

  private:
    TemporaryFolder folder_;
    std::optional<std::string> before_ = environment("XDG_RUNTIME_DIR");
};

TEST(Rendezvous, OfOneRankOpensNothing) {
    Process alone({DIST_PROBE, "greet"}, {});
    EXPECT_EQ(alone.wait(), 0);
    EXPECT_EQ(alone.output(), "rank 0 of 1, local 0 of 1, single: r0 from0\n");
}

TEST(Rendezvous, MpirunNeedsNoVariables) {
    const OwnMeetings meetings;
    expect_greetings(run_mpirun(2, {"greet"}), 2, "mpirun");
    expect_greetings(run_mpirun(4, {"greet"}), 4, "mpirun");
    EXPECT_EQ(meetings.files_left(), 0u);
}

TEST(Rendezvous, ByMasterVariables) {
    expect_greetings(run_ranks_alone(3, {"greet"}, master(free_port())), 3, "env");
}

TEST(Rendezvous, ByTcp) {
    expect_greetings(run_ranks_alone(2, {"greet", init_tcp(free_port())}, {}), 2, "env");
    expect_greetings(run_mpirun(2, {"greet", init_tcp(free_port())}), 2, "mpirun");
}

TEST(Rendezvous, ByFile) {
    const TemporaryFolder folder;
    const std::string path = folder.path("job");
    for (int again = 0; again < 2; ++again)
        expect_greetings(run_ranks_alone(2, {"greet", "init=file://" + path}, {}), 2, "env");
    EXPECT_FALSE(std::filesystem::exists(path));
    expect_greetings(run_mpirun(2, {"greet", "init=file://" + path}), 2, "mpirun");
}

TEST(Rendezvous, BySlurmsVariables) {
    std::vector<std::unique_ptr<Process>> ranks;
    for (int rank = 0; rank < 2; ++rank)
        ranks.push_back(
            std::make_unique<Process>(std::vector<std::string>{DIST_PROBE, "greet"},
                                      Variables{{"SLURM_PROCID", std::to_string(rank)},
                                                {"SLURM_NTASKS", "2"},
                                                {"SLURM_LOCALID", std::to_string(rank)},
                                                {"SLURM_JOB_ID", std::to_string(::getpid())},
                                                {"SLURM_NODELIST", "thisnode"}}));
    expect_greetings(wait_for(ranks), 2, "slurm");
}

TEST(Rendezvous, AnAgentsStoreServesEachAttempt) {
    c10d::TCPStoreOptions options;
    options.isServer = true;
    options.port = 0;
    options.waitWorkers = false;
    const auto agent = c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options);
    Variables variables = master(agent->getPort());
    variables["TORCHELASTIC_USE_AGENT_STORE"] = "True";
    for (const char* attempt : {"0", "1"}) {
        variables["TORCHELASTIC_RESTART_COUNT"] = attempt;
        expect_greetings(run_ranks_alone(2, {"greet"}, variables), 2, "env");
    }
    const int64_t keys_before = agent->getNumKeys();
    // As two hosts: the ranks have no file in common, and find each other through the store.
    const std::string secret = "a secret of this test";
    variables["LOCAL_WORLD_SIZE"] = "1";
    variables["LOCAL_RANK"] = "0";
    variables["AILAB_SECRET"] = secret;
    for (const char* attempt : {"2", "3"}) {
        variables["TORCHELASTIC_RESTART_COUNT"] = attempt;
        expect_two_hosts_met(run_ranks_alone(2, {"greet"}, variables));
        const std::string key = concat("ailab/attempt_", attempt, "/ailab/meeting");
        ASSERT_TRUE(agent->check({key}));
        EXPECT_EQ(agent->get_to_str(key).find(secret), std::string::npos);
    }
    EXPECT_EQ(agent->getNumKeys(), keys_before + 2) << "an address and a challenge, and no more";
}

TEST(Rendezvous, AFileLeftByAKilledJobDoesNotMislead) {
    const TemporaryFolder folder;
    const std::string path = folder.path("job");
    const std::vector<std::string> command{DIST_PROBE, "greet", "init=file://" + path};
    auto start = [&](const char* rank) {
        return std::make_unique<Process>(command, Variables{{"RANK", rank}, {"WORLD_SIZE", "2"}});
    };
    {
        const auto killed = start("0");
        while (!std::filesystem::exists(path) && killed->running())
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        killed->signal(SIGKILL);
        EXPECT_EQ(killed->wait(), 128 + SIGKILL);
    }
    ASSERT_TRUE(std::filesystem::exists(path));
    std::vector<std::unique_ptr<Process>> ranks;
    ranks.push_back(start("1"));  // sees the left-over first
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    ranks.push_back(start("0"));
    expect_greetings(wait_for(ranks), 2, "env");
}

TEST(Rendezvous, AFileThatIsSomethingElseIsAnErrorAndStays) {
    const TemporaryFolder folder;
    std::ofstream(folder.path("job")) << "my thesis";
    Process rank0({DIST_PROBE, "greet", "init=file://" + folder.path("job")},
                  {{"RANK", "0"}, {"WORLD_SIZE", "2"}});
    EXPECT_EQ(rank0.wait(), 2);
    EXPECT_NE(rank0.output().find("it is not overwritten"), std::string::npos) << rank0.output();
    EXPECT_EQ(std::filesystem::file_size(folder.path("job")), 9u);
}

TEST(Rendezvous, NamesTheRanksThatDoNotCome) {
    Variables variables = master(free_port());
    variables["RANK"] = "0";
    variables["WORLD_SIZE"] = "3";
    Process rank0({DIST_PROBE, "greet", "timeout=1"}, variables);
    EXPECT_EQ(rank0.wait(), 1);
    EXPECT_EQ(rank0.output(),
              "ailab: [rank 0, " + host +
                  "] start: of 3 ranks, these did not join in time: 1, 2. Were they started, and "
                  "can they reach this host?\n");
}

TEST(Rendezvous, SaysWhereRankZeroWasLookedFor) {
    const int port = free_port();
    Variables variables = master(port);
    variables["RANK"] = "1";
    variables["WORLD_SIZE"] = "2";
    Process rank1({DIST_PROBE, "greet", "timeout=1"}, variables);
    EXPECT_EQ(rank1.wait(), 1);
    EXPECT_EQ(rank1.output(),
              "error: rank 1 of 2 did not find rank 0 within 1 s by MASTER_ADDR and "
              "MASTER_PORT: 127.0.0.1:" +
                  std::to_string(port) +
                  ": Connection refused. Does rank 0 run, and is it reachable "
                  "from this host?\n");
}

TEST(Rendezvous, RankZeroMustKnowItsOwnName) {
    Variables variables = master(free_port());
    variables["MASTER_ADDR"] = "no-such-host.invalid";
    variables["RANK"] = "0";
    variables["WORLD_SIZE"] = "2";
    Process rank0({DIST_PROBE, "greet", "timeout=1"}, variables);
    EXPECT_EQ(rank0.wait(), 2);
    const std::string said = rank0.output();
    EXPECT_TRUE(
        said.starts_with("config: MASTER_ADDR and MASTER_PORT: host "
                         "\"no-such-host.invalid\" is not known: "))
        << said;
    EXPECT_TRUE(said.ends_with(". Give a name or an address of the host of rank 0\n")) << said;
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
}

TEST(Rendezvous, RefusesAnotherWorldSize) {
    Variables variables = master(free_port());
    auto start = [&](const char* rank, const char* size) {
        variables["RANK"] = rank;
        variables["WORLD_SIZE"] = size;
        return std::make_unique<Process>(std::vector<std::string>{DIST_PROBE, "greet"}, variables);
    };
    std::vector<std::unique_ptr<Process>> ranks;
    ranks.push_back(start("0", "2"));
    ranks.push_back(start("1", "3"));
    const Outcome outcome = wait_for(ranks);
    EXPECT_EQ(outcome.statuses, (std::vector<int>{1, 1}));
    EXPECT_EQ(outcome.output,
              "ailab: [rank 1, " + host +
                  "] start: this rank was started as 1 of 3, but rank 0 as one of 2; start all "
                  "ranks with the same world size\n");
}

TEST(Rendezvous, SaysThatThePortIsTaken) {
    const dist::Listener taken = dist::listen_on({dist::loopback}, 0);
    Variables variables = master(taken.port);
    variables["RANK"] = "0";
    variables["WORLD_SIZE"] = "2";
    Process rank0({DIST_PROBE, "greet"}, variables);
    EXPECT_EQ(rank0.wait(), 1);
    EXPECT_EQ(rank0.output(), "error: rank 0 cannot listen on port " + std::to_string(taken.port) +
                                  ": Address already in use. Does an earlier job still run here? "
                                  "Choose another port for dist.init_method or MASTER_PORT\n");
}

TEST(Rendezvous, OfMpirunOverSeveralHostsNeedsABroadcast) {
    const TemporaryFolder folder;
    auto run = [](const std::vector<std::string>& arguments) {
        std::vector<std::unique_ptr<Process>> ranks;
        std::vector<std::string> command{DIST_PROBE, "greet"};
        command.insert(command.end(), arguments.begin(), arguments.end());
        for (const char* rank : {"0", "1"})
            ranks.push_back(
                std::make_unique<Process>(command, Variables{{"OMPI_COMM_WORLD_RANK", rank},
                                                             {"OMPI_COMM_WORLD_SIZE", "2"},
                                                             {"OMPI_COMM_WORLD_LOCAL_RANK", "0"},
                                                             {"OMPI_COMM_WORLD_LOCAL_SIZE", "1"}}));
        return wait_for(ranks);
    };
    const Outcome met = run({"broadcast=" + folder.path("told")});
    EXPECT_EQ(met.statuses, (std::vector<int>{0, 0})) << met.output;
    EXPECT_EQ(met.output,
              "rank 0 of 2, local 0 of 1, mpirun: r0 r1 from0\n"
              "rank 1 of 2, local 0 of 1, mpirun: r0 r1 from0\n");
    const Outcome refused = run({});
    EXPECT_EQ(refused.statuses, (std::vector<int>{2, 2}));
    const std::string message =
        "config: dist.init_method env://: mpirun started ranks on several hosts, and nothing says "
        "where rank 0 is; start with mpirun -x MASTER_ADDR=<host of rank 0> -x MASTER_PORT=<free "
        "port>, or give dist.init_method tcp://<host of rank 0>:<port>\n";
    EXPECT_EQ(refused.output, message + message);
}

// ---- the secret of ranks on several hosts

TEST(Secrets, OfTheEnvironmentJoinTheRanksOfSeveralHosts) {
    Variables variables = as_on_two_hosts(master(free_port()));
    variables["AILAB_SECRET"] = "0123456789abcdef";
    expect_two_hosts_met(run_ranks_alone(2, {"greet", "require=secret"}, variables));
    variables.erase("AILAB_SECRET");
    variables["OMPI_MCA_orte_precondition_transports"] = "999b99bf3c1781f6-f946d4dfd6be6415";
    expect_two_hosts_met(run_ranks_alone(2, {"greet", "require=secret"}, variables));
}

TEST(Secrets, MissingOverHostsAreTheOneWarning) {
    const Outcome outcome = run_ranks_alone(2, {"greet"}, as_on_two_hosts(master(free_port())));
    EXPECT_EQ(outcome.statuses, (std::vector<int>{0, 0}));
    EXPECT_EQ(std::count(outcome.output.begin(), outcome.output.end(), '\n'), 3) << outcome.output;
    EXPECT_NE(outcome.output.find("WARNING - the ranks meet over the network (MASTER_ADDR and "
                                  "MASTER_PORT) and share no secret: whoever reaches rank 0 can "
                                  "join this run. Set AILAB_SECRET to the same random text for all "
                                  "ranks: export AILAB_SECRET=$(openssl rand -hex 32) "
                                  "(dist.require_secret: true makes this an error)\n"),
              std::string::npos)
        << outcome.output;
}

TEST(Secrets, MissingOverHostsAreAnErrorWhereOneIsRequired) {
    const Outcome outcome =
        run_ranks_alone(2, {"greet", "require=secret"}, as_on_two_hosts(master(free_port())));
    EXPECT_EQ(outcome.statuses, (std::vector<int>{2, 2}));
    EXPECT_TRUE(outcome.output.starts_with(
        "config: dist.require_secret: the ranks meet over the network (MASTER_ADDR and "
        "MASTER_PORT) and share no secret. Set AILAB_SECRET to the same random text for all "
        "ranks: export AILAB_SECRET=$(openssl rand -hex 32)\n"))
        << outcome.output;
}

TEST(Secrets, OnOneHostAreThereWithoutASetting) {
    expect_greetings(run_ranks_alone(2, {"greet", "require=secret"}, master(free_port())), 2,
                     "env");
    expect_greetings(run_mpirun(2, {"greet", "require=secret"}), 2, "mpirun");
}

TEST(Secrets, ThatDifferAreSaidOnBothSides) {
    Variables variables = as_on_two_hosts(master(free_port()));
    std::vector<std::unique_ptr<Process>> ranks;
    for (const char* rank : {"0", "1"}) {
        variables["RANK"] = rank;
        variables["WORLD_SIZE"] = "2";
        variables["AILAB_SECRET"] = concat("the secret of rank ", rank);
        ranks.push_back(std::make_unique<Process>(
            std::vector<std::string>{DIST_PROBE, "greet", "timeout=7"}, variables));
    }
    const Outcome outcome = wait_for(ranks);
    EXPECT_EQ(outcome.statuses, (std::vector<int>{1, 1}));
    EXPECT_NE(outcome.output.find(
                  "waiting for rank 1 of 2. Were they started, and can they reach this host? "
                  "Somebody came who does not know the secret of this job: is AILAB_SECRET the "
                  "same for all ranks?\n"),
              std::string::npos)
        << outcome.output;
    EXPECT_NE(outcome.output.find("rank 1 still looks for rank 0 by MASTER_ADDR and MASTER_PORT: "
                                  "127.0.0.1:" +
                                  variables["MASTER_PORT"] +
                                  ": who answers there does not know the secret of this job"),
              std::string::npos)
        << outcome.output;
}

// ---- another program at the port

/// Listens and answers what it is told to, until it goes.
class OtherProgram {
  public:
    explicit OtherProgram(std::string answer) : answer_(std::move(answer)) {
        thread_ = std::thread([this] { serve(); });
    }
    ~OtherProgram() {
        stop_ = true;
        thread_.join();
    }
    int port() const { return listener_.port; }

  private:
    void serve() {
        std::vector<FileDescriptor> taken;
        while (!stop_) {
            pollfd wait{listener_.sockets[0].get(), POLLIN, 0};
            if (::poll(&wait, 1, 20) <= 0) continue;
            taken.emplace_back(::accept(wait.fd, nullptr, nullptr));
            (void)!::send(taken.back().get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
        }
    }

    const dist::Listener listener_ = dist::listen_on({dist::loopback}, 0);
    const std::string answer_;
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

class PortOfAnotherProgram : public testing::TestWithParam<const char*> {};
TEST_P(PortOfAnotherProgram, KeepsARankNoLongerThanTheTimeout) {
    const OtherProgram other(GetParam());
    Variables one_host = master(other.port());
    one_host["RANK"] = "1";
    one_host["WORLD_SIZE"] = "2";
    Variables agent = as_on_two_hosts(one_host);
    agent["TORCHELASTIC_USE_AGENT_STORE"] = "True";
    for (const Variables& variables : {one_host, as_on_two_hosts(one_host), agent}) {
        const auto begin = std::chrono::steady_clock::now();
        Process rank1({DIST_PROBE, "greet", "timeout=3"}, variables);
        EXPECT_EQ(rank1.wait(std::chrono::seconds(30)), 1);
        EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
        EXPECT_NE(rank1.output().find("rank 1 of 2 did not find rank 0 within 3 s by MASTER_ADDR "
                                      "and MASTER_PORT: 127.0.0.1:" +
                                      std::to_string(other.port()) + ": "),
                  std::string::npos)
            << rank1.output();
    }
}
INSTANTIATE_TEST_SUITE_P(Answers, PortOfAnotherProgram,
                         testing::Values("", "SSH-2.0-OpenSSH_9.2\r\n",
                                         "HTTP/1.1 400 Bad Request\r\n\r\n"));

TEST(Rendezvous, SaysAfterSecondsWhoIsMissingAndThatSrunStartsThem) {
    // A batch script without srun: the launcher's variables are there, the other tasks are not.
    Process alone({DIST_PROBE, "greet", "timeout=7"}, {{"SLURM_PROCID", "0"},
                                                       {"SLURM_NTASKS", "4"},
                                                       {"SLURM_LOCALID", "0"},
                                                       {"SLURM_JOB_ID", "77"},
                                                       {"SLURM_NODELIST", "localhost"},
                                                       {"SLURM_NNODES", "1"}});
    EXPECT_EQ(alone.wait(), 1);
    const std::string hint =
        "Slurm's variables tell of 4 tasks, which srun starts: srun ailab-run ...; for one process "
        "in a batch script or a shell give --launcher single.\n";
    EXPECT_NE(alone.output().find("WARNING - waiting for ranks 1, 2, 3 of 4. " + hint),
              std::string::npos)
        << alone.output();
    EXPECT_NE(alone.output().find("of 4 ranks, these did not join in time: 1, 2, 3. " + hint),
              std::string::npos)
        << alone.output();
}

}  // namespace
}  // namespace ailab::test
