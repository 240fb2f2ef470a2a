// Whatever the bytes, the reader answers with values or an Error, soon and in little memory. The
// mutations are the same on every run; tests/fuzz (the target pth) tries others.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "core/checkpoint/memory_file.hpp"
#include "pth_target.hpp"

namespace ailab {
namespace {

using namespace test;

int64_t peak_memory() {  // bytes
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return int64_t(usage.ru_maxrss) * 1024;
}

TEST(PthMutations, NeverCrashTheReader) {
    const MemoryFile file;
    std::mt19937_64 random(9);
    int accepted = 0;
    int refused = 0;
    const std::vector<PthSeed> seeds = pth_seeds();
    for (const PthSeed& seed : seeds) {
        file.write(seed.file(seed.pickle));
        ASSERT_TRUE(read_pth_to_the_end(file.path()));
    }
    const int64_t memory = peak_memory();
    for (int i = 0; i < 10000; ++i) {
        file.write(mutate_pth(seeds[size_t(i) % seeds.size()], random));
        ++(read_pth_to_the_end(file.path()) ? accepted : refused);
    }
    EXPECT_GT(accepted, 200);
    EXPECT_GT(refused, 5000);
    EXPECT_LT(peak_memory() - memory, int64_t(200) << 20);
}

TEST(PthMutations, CutAnywhereAreAnError) {
    const MemoryFile file;
    for (const PthSeed& seed : pth_seeds()) {
        const std::string whole = seed.file(seed.pickle);
        for (size_t size = 0; size < whole.size(); ++size) {
            file.write(whole.substr(0, size));
            ASSERT_FALSE(read_pth_to_the_end(file.path())) << "cut at " << size;
        }
    }
}

}  // namespace
}  // namespace ailab
