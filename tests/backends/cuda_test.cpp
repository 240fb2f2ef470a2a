// The cuda plugin: on a machine without a GPU it loads and says so; GpuTest needs one (label gpu).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include "ailab/abi.hpp"
#include "support/modules.hpp"
#include "support/ranks.hpp"

namespace ailab::testing {
namespace {

std::string bytes_of(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

bool has_gpu() {
    return load_device("cuda")->available(rank_info_of(0, 1)).ok();
}

TEST(CudaPlugin, ItsStampIsReadWithoutLoadingIt) {
    const std::string file = bytes_of(plugin_file("cuda"));
    const plugin::Stamp ours = plugin::make_stamp();
    // The magic is followed by the stamp's size.
    const std::string begin(reinterpret_cast<const char*>(&ours), 12);
    const size_t at = file.find(begin);
    ASSERT_NE(at, std::string::npos);
    plugin::Stamp stamp;
    std::memcpy(&stamp, file.data() + at, sizeof stamp);
    EXPECT_STREQ(stamp.abi, ours.abi);
    EXPECT_STREQ(stamp.torch, ours.torch);
    EXPECT_STREQ(stamp.cuda, AILAB_CUDA_VERSION);
}

TEST(CudaPlugin, HasItsRuntimeWhereTheToolkitIs) {
    // Linked with all symbols found, so that it is a whole library, though it may not load here.
    EXPECT_EQ(bytes_of(plugin_file("ailab_cuda_runtime")).substr(0, 4) ==
                  "\x7f"
                  "ELF",
              !std::string(AILAB_CUDA_VERSION).empty());
}

TEST(CudaPlugin, WithoutAGpuNcclSaysWhatToSet) {
    if (has_gpu()) GTEST_SKIP() << "there is a GPU here";
    for (const c10::DeviceType device : {c10::DeviceType::CPU, c10::DeviceType::CUDA})
        EXPECT_EQ(load_backend("nccl")->available(rank_info_of(0, 2), device).reason,
                  "nccl needs an NVIDIA GPU and there is none here; set dist.backend to auto, shm, "
                  "mpi or gloo");
}

TEST(CudaPlugin, WithoutAGpuTheDeviceSaysSo) {
    if (has_gpu()) GTEST_SKIP() << "there is a GPU here";
    const auto cuda = load_device("cuda");
    const std::string reason = cuda->available(rank_info_of(0, 1)).reason;
    EXPECT_EQ(reason.find("cuda needs an NVIDIA GPU and there is none here: "), 0u) << reason;
    EXPECT_NE(reason.find("; set runtime.device to auto or cpu"), std::string::npos) << reason;
    try {
        cuda->select(rank_info_of(0, 1));
        FAIL() << "selected a GPU that is not there";
    } catch (const std::exception& error) {
        EXPECT_EQ(error.what(), reason);
    }
}

class GpuTest : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!has_gpu()) GTEST_SKIP() << load_device("cuda")->available(rank_info_of(0, 1)).reason;
    }
};

TEST_F(GpuTest, SelectsTheLocalRanksGpuAndRefusesMoreRanks) {
    const auto cuda = load_device("cuda");
    EXPECT_EQ(cuda->select(rank_info_of(0, 1)), c10::Device(c10::kCUDA, 0));
    EXPECT_THROW(cuda->select(rank_info_of(500, 501)), std::exception);
}

TEST_F(GpuTest, SeedAndStateGiveTheSameNumbersAgain) {
    const auto cuda = load_device("cuda");
    const auto gpu = at::TensorOptions(cuda->select(rank_info_of(0, 1)));
    cuda->seed(7);
    const at::Tensor first = at::rand({5}, gpu), first_cpu = at::rand({5});
    const at::Tensor state = cuda->rng_state();
    const at::Tensor second = at::rand({5}, gpu), second_cpu = at::rand({5});
    cuda->set_rng_state(state);
    EXPECT_TRUE(at::equal(at::rand({5}, gpu), second));
    EXPECT_TRUE(at::equal(at::rand({5}), second_cpu));
    cuda->seed(7);
    EXPECT_TRUE(at::equal(at::rand({5}, gpu), first));
    EXPECT_TRUE(at::equal(at::rand({5}), first_cpu));
}

TEST_F(GpuTest, PinsMemoryAndCountsItsPeak) {
    const auto cuda = load_device("cuda");
    const auto gpu = at::TensorOptions(cuda->select(rank_info_of(0, 1)));
    EXPECT_TRUE(cuda->pins_memory());
    EXPECT_TRUE(cuda->pin(at::ones({3})).is_pinned());
    at::ones({64 << 20}, gpu.dtype(at::kByte));
    cuda->synchronize();
    EXPECT_GE(cuda->peak_memory(), 64 << 20);
}

TEST_F(GpuTest, NcclSumsAndMeetsOnThisGpu) {
    const auto device = load_device("cuda")->select(rank_info_of(0, 1));
    const auto nccl = load_backend("nccl");
    const auto comm =
        nccl->create(rank_info_of(0, 1), c10::make_intrusive<c10d::HashStore>(), device);
    std::vector<at::Tensor> tensors{at::ones({10}, at::TensorOptions(device))};
    comm->allreduce(tensors)->wait();
    comm->barrier()->wait();
    EXPECT_EQ(tensors[0].sum().item<float>(), 10);
    nccl->shutdown();
}

}  // namespace
}  // namespace ailab::testing
