// What the modules of these plugins say about themselves to the host.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "support/modules.hpp"
#include "support/ranks.hpp"

namespace ailab::testing {
namespace {

RankInfo two_hosts() {
    RankInfo rank_info = rank_info_of(1, 4);
    rank_info.local_size = 2;
    return rank_info;
}

TEST(Available, OnOneHostShmIsBeforeMpiAndMpiBeforeGloo) {
    setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
    std::vector<int> scores;
    for (const std::string& name : built_backends({"shm", "mpi", "gloo"})) {
        const Availability here =
            load_backend(name)->available(rank_info_of(0, 2), c10::DeviceType::CPU);
        EXPECT_EQ(here.reason, "") << name;
        scores.push_back(here.score);
    }
    unsetenv("OMPI_COMM_WORLD_SIZE");
    const bool with_mpi = built_backends({"mpi"}).size() == 1;
    EXPECT_EQ(scores, with_mpi ? std::vector<int>({80, 60, 40}) : std::vector<int>({80, 40}));
}

TEST(Available, ShmIsForOneHost) {
    EXPECT_EQ(load_backend("shm")->available(two_hosts(), c10::DeviceType::CPU).reason,
              "shm joins the ranks of one host, and of the 4 ranks only 2 are on this one; set "
              "dist.backend to auto, mpi or gloo");
}

TEST(Available, MpiNeedsMpirun) {
    if (built_backends({"mpi"}).empty()) GTEST_SKIP() << "the mpi plugin was not built";
    for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE"})
        unsetenv(name);
    EXPECT_EQ(load_backend("mpi")->available(rank_info_of(0, 2), c10::DeviceType::CPU).reason,
              "this run is not started by mpirun: start with mpirun -np N ailab-run ..., or set "
              "dist.backend to gloo or shm");
}

TEST(Available, CpuBackendsRefuseAGpu) {
    for (const std::string& name : built_backends({"shm", "mpi", "gloo"}))
        EXPECT_EQ(load_backend(name)->available(rank_info_of(0, 2), c10::DeviceType::CUDA).reason,
                  name +
                      " moves tensors of the CPU, and this run is on cuda; set dist.backend to "
                      "auto or nccl");
}

TEST(CpuDevice, SeedAndStateGiveTheSameNumbersAgain) {
    const auto cpu = load_device("cpu");
    EXPECT_EQ(cpu->available(rank_info_of(0, 1)).score, 10);
    EXPECT_EQ(cpu->type(), c10::DeviceType::CPU);
    EXPECT_EQ(cpu->select(rank_info_of(0, 1)), c10::Device(c10::kCPU));
    cpu->seed(7);
    const at::Tensor first = at::rand({5});
    const at::Tensor state = cpu->rng_state();
    const at::Tensor second = at::rand({5});
    EXPECT_FALSE(at::equal(first, second));
    cpu->set_rng_state(state);
    EXPECT_TRUE(at::equal(at::rand({5}), second));
    cpu->seed(7);
    EXPECT_TRUE(at::equal(at::rand({5}), first));
    cpu->seed(8);
    EXPECT_FALSE(at::equal(at::rand({5}), first));
}

TEST(CpuDevice, PeakMemoryIsTheLargestResidentSet) {
    // In a process of its own, whose peak nothing else has raised.
    const auto results = run_ranks(1, [](int, c10::intrusive_ptr<c10d::Store>) {
        const auto cpu = load_device("cpu");
        const int64_t before = cpu->peak_memory();
        at::ones({64 << 20}, at::kByte);
        const int64_t grown = (cpu->peak_memory() - before) >> 20;
        return std::string(grown >= 60 && grown < 100 && before > (10 << 20) ? "grown" : "not");
    });
    EXPECT_EQ(results[0].report, "grown");
}

TEST(CpuDevice, PinsNothing) {
    const auto cpu = load_device("cpu");
    const at::Tensor tensor = at::ones({3});
    EXPECT_FALSE(cpu->pins_memory());
    EXPECT_TRUE(cpu->pin(tensor).is_same(tensor));
}

}  // namespace
}  // namespace ailab::testing
