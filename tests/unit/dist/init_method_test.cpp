#include "dist/init_method.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "ailab/error.hpp"
#include "case_name.hpp"
#include "clean_environment.hpp"
#include "dist/address_file.hpp"
#include "processes.hpp"

namespace ailab::test {
namespace {

using namespace dist;  // NOLINT: the tests of its internals

Placement started_by(const std::string& launcher, int local_size) {
    Placement placement;
    placement.world_size = 2;
    placement.local_size = local_size;
    placement.launcher = launcher;
    return placement;
}

std::string text(const MeetingPlace& place) {
    if (const auto* store = std::get_if<StoreAddress>(&place))
        return concat("store ", store->host, " ", store->port,
                      store->rank0_serves ? "" : " of the agent", " ", store->prefix);
    if (const auto* file = std::get_if<AddressFile>(&place)) return concat("file ", file->path);
    return "broadcast";
}

struct Case {
    std::string init_method;
    Variables variables;
    std::string launcher;
    int local_size;
    std::string expected;  // the place, or the message
};

std::string name_of(const testing::TestParamInfo<Case>& row) {
    std::string text = row.param.init_method + " " + row.param.launcher;
    for (const auto& [name, value] : row.param.variables) text += " " + name + " " + value;
    return test::case_name(row.index, text);
}

class InitMethod : public testing::TestWithParam<Case> {};
TEST_P(InitMethod, TellsWhereToMeet) {
    const Case& given = GetParam();
    const CleanEnvironment environment(given.variables);
    EXPECT_EQ(text(meeting_place(given.init_method, started_by(given.launcher, given.local_size))),
              given.expected);
}

INSTANTIATE_TEST_SUITE_P(
    Table, InitMethod,
    testing::Values(
        Case{"tcp://10.0.0.1:29500", {}, "env", 0, "store 10.0.0.1 29500 "},
        Case{"tcp://[fd00::2]:1", {}, "env", 0, "store fd00::2 1 "},
        Case{"tcp://node-7.cluster:65535", {}, "mpirun", 2, "store node-7.cluster 65535 "},
        Case{"file:///tmp/job", {}, "env", 0, "file /tmp/job"},
        Case{"env://", {{"MASTER_ADDR", "a"}, {"MASTER_PORT", "5"}}, "env", 0, "store a 5 "},
        Case{"env://", {{"MASTER_ADDR", "a"}, {"MASTER_PORT", "5"}}, "mpirun", 2, "store a 5 "},
        Case{"env://",
             {{"MASTER_ADDR", "a"},
              {"MASTER_PORT", "5"},
              {"TORCHELASTIC_USE_AGENT_STORE", "True"},
              {"TORCHELASTIC_RESTART_COUNT", "3"}},
             "env",
             0,
             "store a 5 of the agent ailab/attempt_3"},
        Case{"env://",
             {{"SLURM_JOB_ID", "24000"}, {"SLURM_NODELIST", "node[07-09,12],gpu1"}},
             "slurm",
             0,
             "store node07 20000 "},
        Case{"env://",
             {{"SLURM_JOB_ID", "123456"}, {"SLURM_NODELIST", "node7"}},
             "slurm",
             0,
             "store 127.0.0.1 23456 "},
        Case{"env://",
             {{"SLURM_JOB_ID", "1"}, {"SLURM_NNODES", "1"}},
             "slurm",
             0,
             "store 127.0.0.1 20001 "},
        Case{"env://", {{"MASTER_ADDR", "a"}, {"SLURM_JOB_ID", "1"}}, "slurm", 0, "store a 20001 "},
        Case{"env://",
             {{"MASTER_PORT", "9"}, {"SLURM_NODELIST", "a1,a2"}},
             "slurm",
             0,
             "store a1 9 "},
        Case{"env://", {}, "mpirun", 1, "broadcast"}),
    name_of);

class WrongInitMethod : public testing::TestWithParam<Case> {};
TEST_P(WrongInitMethod, SaysWhy) {
    const Case& given = GetParam();
    const CleanEnvironment environment(given.variables);
    try {
        const MeetingPlace place =
            meeting_place(given.init_method, started_by(given.launcher, given.local_size));
        FAIL() << "no error, but " << text(place);
    } catch (const ConfigError& error) {
        EXPECT_EQ(error.what(), given.expected);
    }
}

Case wrong(const std::string& init_method, const std::string& why) {
    return {init_method,
            {},
            "env",
            0,
            "dist.init_method: \"" + init_method + "\" " + why +
                "; give env://, tcp://<host>:<port> or file:///<absolute path>"};
}

INSTANTIATE_TEST_SUITE_P(
    Table, WrongInitMethod,
    testing::Values(
        wrong("", "is not known"), wrong("udp://a:1", "is not known"),
        wrong("env:/", "is not known"), wrong("env://x", "is not known"),
        wrong("tcp://a", "has no port from 1 to 65535"),
        wrong("tcp://a:", "has no port from 1 to 65535"),
        wrong("tcp://a:0", "has no port from 1 to 65535"),
        wrong("tcp://a:65536", "has no port from 1 to 65535"),
        wrong("tcp://a:12x", "has no port from 1 to 65535"), wrong("tcp://:12", "has no host name"),
        wrong("tcp://a/b:12", "has no host name"),
        wrong("tcp://fd00::2:12", "holds an IPv6 address without brackets"),
        wrong("file://", "has no absolute path (three slashes: file:///tmp/job)"),
        wrong("file:///", "has no absolute path (three slashes: file:///tmp/job)"),
        wrong("file://tmp/job", "has no absolute path (three slashes: file:///tmp/job)"),
        wrong("file:///no/such/job", "is in a folder that does not exist: /no/such/"),
        wrong("file:///tmp", "exists and is not a file"),
        Case{"env://",
             {},
             "env",
             0,
             "dist.init_method env://: RANK and WORLD_SIZE are set, but MASTER_ADDR and "
             "MASTER_PORT are not; set them to where rank 0 runs and a free port there, or start "
             "with mpirun"},
        Case{"env://",
             {{"MASTER_ADDR", "a"}},
             "mpirun",
             2,
             "dist.init_method env://: MASTER_ADDR is set, but MASTER_PORT is not; set both or "
             "neither"},
        Case{"env://",
             {{"MASTER_ADDR", "a"}, {"MASTER_PORT", "http"}},
             "env",
             0,
             "environment: MASTER_PORT is \"http\"; it must be a port from 1 to 65535"},
        Case{"env://",
             {{"SLURM_JOB_ID", "5"}},
             "slurm",
             0,
             "dist.init_method env:// under Slurm: SLURM_NODELIST is not set, so it is unknown "
             "where rank 0 runs; set MASTER_ADDR, or give dist.init_method tcp://<host of rank "
             "0>:<port>"},
        Case{"env://",
             {{"SLURM_NODELIST", "a"}},
             "slurm",
             0,
             "dist.init_method env:// under Slurm: SLURM_JOB_ID is \"\", no number to derive a "
             "port from; set MASTER_PORT"}),
    name_of);

TEST(SlurmHosts, TheFirstOfAList) {
    const std::map<std::string, std::string> table{
        {"node7", "node7"},     {"a,b", "a"},
        {"node[1-4]", "node1"}, {"node[007-012,20]", "node007"},
        {"node[3,5]", "node3"}, {"rack[2-3]node[11-14]-ib,x", "rack2node11-ib"},
        {"node[12]", "node12"}};
    for (const auto& [nodes, first] : table) EXPECT_EQ(first_slurm_host(nodes), first) << nodes;
}

TEST(MpirunFile, IsTheSameForAllRanksOfOneMpirunAlone) {
    auto file = [](const Variables& variables) {
        const CleanEnvironment environment(variables);
        return text(meeting_place("env://", started_by("mpirun", 2)));
    };
    const Variables rank0{{"PMIX_NAMESPACE", "77"},
                          {"PMIX_SERVER_URI3", "77.0;tcp4://a:1"},
                          {"OMPI_COMM_WORLD_RANK", "0"}};
    Variables rank1 = rank0, other = rank0;
    rank1["OMPI_COMM_WORLD_RANK"] = "1";
    other["PMIX_SERVER_URI3"] = "77.0;tcp4://a:2";
    EXPECT_EQ(file(rank0), file(rank1));
    EXPECT_NE(file(rank0), file(other));
    EXPECT_EQ(file({}), file({})) << "without PMIx the parent process stands for the job";
}

// ---- the file through which rank 0 shows its address

TEST(AddressFiles, AreReadBackRemovedAndPrivate) {
    const TemporaryFolder folder;
    const AddressFile file{folder.path("job"), "key", "source"};
    EXPECT_FALSE(read_address(file).has_value());
    {
        const PublishedAddress shown(file, {"meeting", 1234});
        const std::optional<Address> read = read_address(file);
        ASSERT_TRUE(read.has_value());
        EXPECT_EQ(read->meeting, "meeting");
        EXPECT_EQ(read->store_port, 1234);
        EXPECT_EQ(std::filesystem::status(file.path).permissions(),
                  std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
        EXPECT_FALSE(read_address({file.path, "another key", "source"}).has_value());
    }
    EXPECT_FALSE(std::filesystem::exists(file.path));
}

TEST(AddressFiles, ReplaceALeftOverAndLeaveWhatIsNotTheirs) {
    const TemporaryFolder folder;
    const AddressFile file{folder.path("job"), "key", "dist.init_method file:///x"};
    const PublishedAddress old(file, {"old", 1});
    {
        const PublishedAddress fresh(file, {"new", 2});
        EXPECT_EQ(read_address(file)->meeting, "new");
    }
    EXPECT_FALSE(read_address(file).has_value());
    std::ofstream(file.path) << "";  // as mktemp leaves it
    EXPECT_FALSE(read_address(file).has_value());
    { const PublishedAddress fresh(file, {"new", 2}); }
    std::ofstream(file.path) << "my thesis";
    EXPECT_FALSE(read_address(file).has_value());
    try {
        const PublishedAddress fresh(file, {"new", 2});
        FAIL() << "no error";
    } catch (const ConfigError& error) {
        EXPECT_EQ(error.what(),
                  concat("dist.init_method file:///x: ", file.path,
                         " exists and was not left by an earlier job of yours; it is not "
                         "overwritten. Remove it or give another path"));
    }
    EXPECT_EQ(std::filesystem::file_size(file.path), 9u);
}

}  // namespace
}  // namespace ailab::test
