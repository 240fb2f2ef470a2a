// Throws damaged files at the image decoders for a given time.
//
//     image_fuzz SECONDS [SEED]
//
// Ends with status 1 and the number of the input at anything but pixels or BrokenSample. The
// sanitizers end it at a wrong address, and limits at too much memory or time for one input.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "image_target.hpp"

/// LibTorch's containers are not instrumented, and it leaks at exit; 2 GB is more than an image of
/// a million pixels may take.
extern "C" const char* __asan_default_options() {
    return "detect_container_overflow=0:detect_leaks=0:hard_rss_limit_mb=2048:"
           "allocator_may_return_null=0";
}

int main(int argc, char** argv) {
    using namespace ailab::test;
    using Clock = std::chrono::steady_clock;
    if (argc < 2 || argc > 3) {
        std::fprintf(stderr, "usage: image_fuzz SECONDS [SEED]\n");
        return 2;
    }
    const auto end = Clock::now() + std::chrono::seconds(std::atoll(argv[1]));
    const uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::random_device()();
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    std::fflush(stdout);

    const std::vector<std::string> seeds = image_seeds();
    long inputs = 0;
    long accepted = 0;
    double slowest = 0;  // seconds
    long slowest_input = 0;
    for (; Clock::now() < end; ++inputs) {
        // Each input from a generator of its own, so that one can be made again alone.
        std::mt19937_64 random(seed + uint64_t(inputs));
        const std::string file = mutate_image(seeds[random() % seeds.size()], random);
        constexpr unsigned patience = 60;  // seconds for one input; then SIGALRM ends this
        alarm(patience);
        const auto start = Clock::now();
        try {
            accepted += decode_to_the_end(file);
        } catch (const std::exception& error) {
            std::printf("input %ld of seed %llu: %s\n", inputs,
                        static_cast<unsigned long long>(seed), error.what());
            return 1;
        }
        const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
        if (seconds > slowest) slowest_input = inputs;
        slowest = std::max(slowest, seconds);
    }
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf(
        "%ld inputs, %ld accepted, %ld refused; slowest %.3f s (input %ld), at most %ld MB\n",
        inputs, accepted, inputs - accepted, slowest, slowest_input, usage.ru_maxrss / 1024);
    return 0;
}
