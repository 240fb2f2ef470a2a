#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "host/caching_allocator.hpp"

namespace ailab {
namespace {

class CachingAllocator : public ::testing::Test {
  protected:
    static void SetUpTestSuite() { install_caching_allocator(); }
};

TEST_F(CachingAllocator, GivesAlignedMemoryOfEverySize) {
    for (int64_t bytes = 0; bytes < 5000; ++bytes) {
        const Tensor tensor = at::empty({bytes}, at::kByte);
        ASSERT_EQ(reinterpret_cast<uintptr_t>(tensor.data_ptr()) % 64, 0u);
        if (bytes) tensor.fill_(bytes % 251);
    }
    for (const int64_t bytes : {int64_t(1) << 20, (int64_t(1) << 20) + 1, int64_t(100) << 20}) {
        const Tensor tensor = at::empty({bytes}, at::kByte);
        tensor[0] = 1;
        tensor[bytes - 1] = 2;
        EXPECT_EQ(tensor[bytes - 1].item<uint8_t>(), 2);
    }
}

TEST_F(CachingAllocator, GivesFreedBlocksOutAgain) {
    const void* first = at::empty({1000}).data_ptr();
    EXPECT_EQ(at::empty({1000}).data_ptr(), first);
    EXPECT_EQ(at::empty({1020}).data_ptr(), first);  // of the same size class
}

TEST_F(CachingAllocator, NoTwoLiveTensorsShareMemoryAcrossThreads) {
    std::vector<std::thread> threads;
    std::atomic<int> clashes{0};
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([t, &clashes] {
            std::vector<Tensor> live;
            for (int i = 0; i < 3000; ++i) {
                const int64_t n = 16 + (i * 37 + t * 11) % 3000;
                live.push_back(at::full({n}, t * 10000 + i, at::kInt));
                if (live.size() > 20) {
                    const Tensor& old = live.front();
                    if (!old.eq(old[0]).all().item<bool>()) ++clashes;
                    live.erase(live.begin());
                }
            }
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(clashes, 0);
}

TEST_F(CachingAllocator, ABlockFreedByAnotherThreadIsReused) {
    Tensor tensor = at::ones({5000});
    std::thread([moved = std::move(tensor)]() mutable { moved.reset(); }).join();
    EXPECT_EQ(at::ones({5000}).sum().item<float>(), 5000);
}

int64_t page_faults() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}

int64_t resident_megabytes() {
    int64_t size = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> size >> resident;
    return resident * sysconf(_SC_PAGESIZE) >> 20;
}

/// One at a time, and touched.
void use_megabytes(const std::vector<int64_t>& sizes) {
    for (const int64_t size : sizes) at::empty({size << 20}, at::kByte).fill_(1);
}

TEST_F(CachingAllocator, ALoopOfTheSameSizesTakesNothingFromTheSystem) {
    // Together more than is in use at any one time.
    const std::vector<int64_t> sizes = {25, 30, 40};
    use_megabytes(sizes);
    const int64_t before = page_faults();
    for (int i = 0; i < 5; ++i) use_megabytes(sizes);
    EXPECT_LT(page_faults() - before, 100);
}

TEST_F(CachingAllocator, OtherSizesDoNotPileUp) {
    // One of each size class: 850 MB, if all of them stayed.
    use_megabytes({128});
    for (int64_t size = 2; size < 128; size += 2) use_megabytes({size});
    EXPECT_LT(resident_megabytes(), 650);
}

}  // namespace
}  // namespace ailab
