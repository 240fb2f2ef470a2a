#include "distributed/init_method.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "ailab/error.hpp"
#include "case_name.hpp"
#include "clean_environment.hpp"
#include "distributed/address_file.hpp"
#include "processes.hpp"

namespace ailab::test {
namespace {

using namespace dist;  // NOLINT: the tests of its internals

RankInfo started_by(const std::string& launcher, int local_size) {
    RankInfo rank_info;
    rank_info.world_size = 2;
    rank_info.local_size = local_size;
    rank_info.launcher = launcher;
    return rank_info;
}

std::string text(const MeetingPlace& place) {
    if (const auto* hub = std::get_if<HubAddress>(&place))
        return concat("hub at ", hub->host, " ", hub->port);
    if (const auto* agent = std::get_if<AgentStore>(&place))
        return concat("agent at ", agent->host, " ", agent->port, " ", agent->prefix);
    const auto* file = std::get_if<AddressFile>(&place);
    if (!file) return "broadcast";
    std::string text = file->in_private_folder ? "private file" : concat("file ", file->paths[0]);
    if (file->one_host) text += " of one host";
    if (file->port != 0) text += concat(", port ", file->port);
    return text;
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
        Case{"tcp://10.0.0.1:29500", {}, "env", 0, "hub at 10.0.0.1 29500"},
        Case{"tcp://[fd00::2]:1", {}, "env", 0, "hub at fd00::2 1"},
        Case{"tcp://node-7.cluster:65535", {}, "mpirun", 1, "hub at node-7.cluster 65535"},
        Case{"tcp://node-7.cluster:65535", {}, "mpirun", 2, "private file of one host, port 65535"},
        Case{"tcp://127.0.0.1:5", {}, "env", 0, "private file of one host, port 5"},
        Case{"tcp://localhost:5", {}, "env", 0, "private file of one host, port 5"},
        Case{"tcp://localhost:5", {}, "env", 1, "hub at localhost 5"},
        Case{"file:///tmp/job", {}, "mpirun", 2, "file /tmp/job of one host"},
        Case{"file:///tmp/job", {}, "env", 0, "file /tmp/job"},
        Case{"env://", {{"MASTER_ADDR", "a"}, {"MASTER_PORT", "5"}}, "env", 0, "hub at a 5"},
        Case{"env://",
             {{"MASTER_ADDR", "a"}, {"MASTER_PORT", "5"}},
             "mpirun",
             2,
             "private file of one host, port 5"},
        Case{"env://",
             {{"MASTER_ADDR", "a"},
              {"MASTER_PORT", "5"},
              {"TORCHELASTIC_USE_AGENT_STORE", "True"},
              {"TORCHELASTIC_RESTART_COUNT", "3"}},
             "env",
             0,
             "agent at a 5 ailab/attempt_3"},
        Case{"env://",
             {{"MASTER_ADDR", "a"}, {"MASTER_PORT", "5"}, {"TORCHELASTIC_USE_AGENT_STORE", "True"}},
             "env",
             2,
             "private file of one host"},
        Case{"env://",
             {{"SLURM_JOB_ID", "24000"}, {"SLURM_NODELIST", "node[07-09,12],gpu1"}},
             "slurm",
             0,
             "hub at node07 20000"},
        Case{"env://",
             {{"SLURM_JOB_ID", "123456"}, {"SLURM_NODELIST", "node7"}},
             "slurm",
             0,
             "private file of one host, port 23456"},
        Case{"env://",
             {{"SLURM_JOB_ID", "1"}, {"SLURM_NNODES", "1"}},
             "slurm",
             0,
             "private file of one host, port 20001"},
        Case{"env://", {{"MASTER_ADDR", "a"}, {"SLURM_JOB_ID", "1"}}, "slurm", 0, "hub at a 20001"},
        Case{"env://",
             {{"MASTER_PORT", "9"}, {"SLURM_NODELIST", "a1,a2"}},
             "slurm",
             0,
             "hub at a1 9"},
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
        return std::get<AddressFile>(meeting_place("env://", started_by("mpirun", 2))).paths;
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

AddressFile file_at(const std::string& path) {
    return {.paths = {path}, .key = "key", .source = "dist.init_method file:///x"};
}

TEST(AddressFiles, AreReadBackRemovedAndPrivate) {
    const TemporaryFolder folder;
    const AddressFile file = file_at(folder.path("job"));
    EXPECT_FALSE(read_address(file).has_value());
    {
        const PublishedAddress shown(file, {"meeting", "secret"});
        const std::optional<Address> read = read_address(file);
        ASSERT_TRUE(read.has_value());
        EXPECT_EQ(read->meeting, "meeting");
        EXPECT_EQ(read->secret, "secret");
        EXPECT_EQ(std::filesystem::status(file.paths[0]).permissions(),
                  std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
        AddressFile of_another = file;
        of_another.key = "another key";
        EXPECT_FALSE(read_address(of_another).has_value());
        // What others can read is no secret any more.
        std::filesystem::permissions(file.paths[0], std::filesystem::perms::group_read,
                                     std::filesystem::perm_options::add);
        EXPECT_FALSE(read_address(file).has_value());
        std::filesystem::permissions(file.paths[0], std::filesystem::perms::group_read,
                                     std::filesystem::perm_options::remove);
    }
    EXPECT_FALSE(std::filesystem::exists(file.paths[0]));
}

TEST(AddressFiles, ReplaceALeftOverAndLeaveWhatIsNotTheirs) {
    const TemporaryFolder folder;
    const AddressFile file = file_at(folder.path("job"));
    const std::string& path = file.paths[0];
    const PublishedAddress old(file, {"old", "1"});
    {
        const PublishedAddress fresh(file, {"new", "2"});
        EXPECT_EQ(read_address(file)->meeting, "new");
    }
    EXPECT_FALSE(read_address(file).has_value());
    std::ofstream(path) << "";  // as mktemp leaves it
    EXPECT_FALSE(read_address(file).has_value());
    { const PublishedAddress fresh(file, {"new", "2"}); }
    std::ofstream(path) << "my thesis";
    EXPECT_FALSE(read_address(file).has_value());
    try {
        const PublishedAddress fresh(file, {"new", "2"});
        FAIL() << "no error";
    } catch (const ConfigError& error) {
        EXPECT_EQ(error.what(),
                  concat("dist.init_method file:///x: ", path,
                         " exists and was not left by an earlier job of yours; it is not "
                         "overwritten. Remove it or give another path"));
    }
    EXPECT_EQ(std::filesystem::file_size(path), 9u);
}

// ---- the user's own folder

using std::filesystem::perms;

AddressFile private_file(std::vector<std::string> paths) {
    return {.paths = std::move(paths), .key = "key", .source = "test", .in_private_folder = true};
}

TEST(PrivateFolders, AreMadeForThisUserAlone) {
    const TemporaryFolder folder;
    const AddressFile file = private_file({folder.path("own/meet-1")});
    const PublishedAddress shown(file, {"meeting", "secret"});
    EXPECT_EQ(std::filesystem::status(folder.path("own")).permissions(), perms::owner_all);
    EXPECT_EQ(read_address(file)->secret, "secret");
}

TEST(PrivateFolders, ThatOthersCanUseArePassedOver) {
    const TemporaryFolder folder;
    for (const char* name : {"group", "sticky", "link", "file"}) {
        if (name != std::string("link") && name != std::string("file"))
            std::filesystem::create_directory(folder.path(name));
    }
    std::filesystem::permissions(folder.path("group"), perms::owner_all | perms::group_exec);
    std::filesystem::permissions(folder.path("sticky"), perms::all | perms::sticky_bit);
    std::filesystem::create_directory_symlink(folder.path("sticky"), folder.path("link"));
    std::ofstream(folder.path("file")) << "";
    const AddressFile file =
        private_file({folder.path("missing/deep/meet-1"), folder.path("group/meet-1"),
                      folder.path("sticky/meet-1"), folder.path("link/meet-1"),
                      folder.path("file/meet-1"), folder.path("own/meet-1")});
    const PublishedAddress shown(file, {"meeting", "secret"});
    EXPECT_TRUE(std::filesystem::exists(folder.path("own/meet-1")));
    EXPECT_EQ(read_address(file)->secret, "secret");
    // What stands there nevertheless is not believed.
    std::filesystem::copy(folder.path("own/meet-1"), folder.path("sticky/meet-1"));
    EXPECT_FALSE(read_address(private_file({folder.path("sticky/meet-1")})).has_value());
    AddressFile none = file;
    none.paths.pop_back();
    EXPECT_THROW(PublishedAddress(none, {"meeting", "secret"}), Error);
}

TEST(PrivateFolders, AreFreedOfWhatKilledJobsLeft) {
    const TemporaryFolder folder;
    const PublishedAddress alive(private_file({folder.path("own/meet-1")}), {"meeting", "1"});
    std::ofstream(folder.path("own/meet-2")) << "of a job that was killed";
    std::ofstream(folder.path("own/other")) << "of another program";
    const PublishedAddress fresh(private_file({folder.path("own/meet-3")}), {"meeting", "3"});
    EXPECT_TRUE(std::filesystem::exists(folder.path("own/meet-1")));
    EXPECT_FALSE(std::filesystem::exists(folder.path("own/meet-2")));
    EXPECT_TRUE(std::filesystem::exists(folder.path("own/other")));
}

}  // namespace
}  // namespace ailab::test
