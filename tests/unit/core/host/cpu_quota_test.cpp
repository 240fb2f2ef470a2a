// The control groups' limit of time on the processor, and the threads that follow it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "ailab/error.hpp"
#include "host/threads.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

using Files = std::map<std::string, std::string>;

const std::string v2_mount = "30 1 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n";
const std::string v1_mount =
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n";

/// What is seen where these are the files of /proc and /sys.
std::optional<double> quota_of(const Files& files) {
    const fs::path root = fs::temp_directory_path() / ("ailab_quota_" + std::to_string(getpid()));
    for (const auto& [name, content] : files) {
        fs::create_directories((root / name).parent_path());
        std::ofstream(root / name) << content;
    }
    const std::optional<double> quota = cpu_quota(root.string());
    fs::remove_all(root);
    return quota;
}

TEST(CpuQuota, IsTheLeastFromTheProcesssGroupUp) {
    struct Row {
        std::string what;
        Files files;
        std::optional<double> quota;
    };
    const std::string own = "proc/self/cgroup", mounts = "proc/self/mountinfo",
                      sys = "sys/fs/cgroup/", cpu = "sys/fs/cgroup/cpu,cpuacct/";
    const std::vector<Row> table = {
        {"nothing is mounted", {}, std::nullopt},
        {"version 2, a container that sees itself as the root",
         {{own, "0::/\n"}, {mounts, v2_mount}, {sys + "cpu.max", "150000 100000\n"}},
         1.5},
        {"version 2, no limit",
         {{own, "0::/\n"}, {mounts, v2_mount}, {sys + "cpu.max", "max 100000\n"}},
         std::nullopt},
        {"version 2, the group above is the tighter one",
         {{own, "0::/a/b\n"},
          {mounts, v2_mount},
          {sys + "a/b/cpu.max", "400000 100000\n"},
          {sys + "a/cpu.max", "200000 100000\n"},
          {sys + "other/cpu.max", "1000 100000\n"}},
         2},
        {"version 2, a container that knows its group by the host's path",
         {{own, "0::/docker/1f\n"},
          {mounts, "30 1 0:26 /docker/1f /sys/fs/cgroup ro - cgroup2 cgroup ro\n"},
          {sys + "cpu.max", "50000 100000\n"}},
         0.5},
        {"version 1",
         {{own, "3:cpuset:/x\n2:cpu,cpuacct:/job\n0::/\n"},
          {mounts, v1_mount},
          {cpu + "job/cpu.cfs_quota_us", "300000\n"},
          {cpu + "job/cpu.cfs_period_us", "100000\n"}},
         3},
        {"version 1, no limit",
         {{own, "2:cpu,cpuacct:/\n"},
          {mounts, v1_mount},
          {cpu + "cpu.cfs_quota_us", "-1\n"},
          {cpu + "cpu.cfs_period_us", "100000\n"}},
         std::nullopt},
        {"both, the processor's controller is version 1's",
         {{own, "2:cpu,cpuacct:/job\n0::/job\n"},
          {mounts, v1_mount + "38 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"},
          {cpu + "job/cpu.cfs_quota_us", "250000\n"},
          {cpu + "job/cpu.cfs_period_us", "100000\n"}},
         2.5},
        {"lines that are none",
         {{own, "nonsense\n0\n"}, {mounts, "a b\n" + v2_mount}, {sys + "cpu.max", "many\n"}},
         std::nullopt},
    };
    for (const Row& row : table) EXPECT_EQ(quota_of(row.files), row.quota) << row.what;
}

TEST(PlanThreads, KeepsTheQuotaThatTheRanksOfAHostShare) {
    unsetenv("OMP_NUM_THREADS");
    const int cores = plan_threads({}, 0, std::nullopt).compute;
    struct Row {
        std::optional<double> quota;
        int ranks, wanted, compute, loader;
    };
    const std::vector<Row> table = {
        {std::nullopt, 1, 0, cores, cores},
        {1000, 1, 0, cores, cores},
        {1.5, 1, 0, 1, 1},
        {0.25, 1, 0, 1, 1},
        {1, 2, 0, 1, 1},
        {1, 1, 3, 3, 1},
    };
    for (const Row& row : table) {
        RankInfo rank_info;
        rank_info.local_size = rank_info.world_size = row.ranks;
        const ThreadPlan plan = plan_threads(rank_info, row.wanted, row.quota);
        EXPECT_EQ(plan.compute, row.compute) << plan.why;
        EXPECT_EQ(plan.loader, row.loader) << plan.why;
    }
}

}  // namespace
}  // namespace ailab
