// The same reader under libFuzzer, which finds its way by what code an input reaches:
//
//     pth_libfuzzer -max_total_time=600 -rss_limit_mb=2048 -timeout=20 CORPUS_FOLDER
//
// The first byte of an input says what the rest is: a whole file, or the pickle of a file that is
// otherwise right.
#include <cstdint>

#include "memory_file.hpp"
#include "pth_target.hpp"

extern "C" const char* __asan_default_options() {
    return "detect_container_overflow=0:detect_leaks=0";
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace ailab::test;
    static const MemoryFile file;
    static const std::vector<PthSeed> seeds = pth_seeds();
    if (size == 0) return 0;
    const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const size_t kind = data[0] % (seeds.size() + 1);
    file.write(kind == 0 ? bytes : seeds[kind - 1].file(bytes));
    read_pth_to_the_end(file.path());
    return 0;
}

/// Starts from the seeds also without a corpus.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed);
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
    using namespace ailab::test;
    static const std::vector<PthSeed> seeds = pth_seeds();
    std::mt19937_64 random(seed);
    if (random() % 2 == 0) return LLVMFuzzerMutate(data, size, max_size);
    std::string bytes(reinterpret_cast<const char*>(data), size);
    if (size < 2) {
        const size_t kind = random() % (seeds.size() + 1);
        const PthSeed& start = seeds[kind % seeds.size()];
        bytes = char(kind) + (kind == 0 ? start.file(start.pickle) : start.pickle);
    } else {
        bytes = bytes[0] + mutate_bytes(bytes.substr(1), random);
    }
    bytes.resize(std::min(bytes.size(), max_size));
    std::copy(bytes.begin(), bytes.end(), data);
    return bytes.size();
}
