#pragma once
// What the fuzzers share: inputs for a given time, each from a generator of its own, so that one
// can be made again alone.
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <random>
#include <string>

/// LibTorch's containers are not instrumented, and it leaks at exit; 2 GB is more than any input
/// may take.
extern "C" const char* __asan_default_options() {
    return "detect_container_overflow=0:detect_leaks=0:hard_rss_limit_mb=2048:"
           "allocator_may_return_null=0";
}

namespace ailab::test {

/// The main() of `NAME SECONDS [SEED]`. `make` gives an input from a generator, `take` says whether
/// it was accepted; what it throws is a finding and ends the fuzzer with status 1. An input that
/// takes longer than `patience` seconds ends it by SIGALRM.
template <class Make, class Take>
int fuzz(const char* name, int argc, char** argv, unsigned patience, const Make& make,
         const Take& take) {
    using Clock = std::chrono::steady_clock;
    if (argc < 2 || argc > 3) {
        std::fprintf(stderr, "usage: %s SECONDS [SEED]\n", name);
        return 2;
    }
    const auto end = Clock::now() + std::chrono::seconds(std::atoll(argv[1]));
    const uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::random_device()();
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    std::fflush(stdout);

    long inputs = 0;
    long accepted = 0;
    double slowest = 0;  // seconds
    long slowest_input = 0;
    for (; Clock::now() < end; ++inputs) {
        std::mt19937_64 random(seed + uint64_t(inputs));
        const std::string input = make(random);
        alarm(patience);
        const auto start = Clock::now();
        try {
            accepted += take(input);
        } catch (const std::exception& error) {
            std::printf("input %ld of seed %llu: %s\n", inputs,
                        static_cast<unsigned long long>(seed), error.what());
            return 1;
        }
        const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
        if (seconds > slowest) {
            slowest = seconds;
            slowest_input = inputs;
        }
    }
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf(
        "%ld inputs, %ld accepted, %ld refused; slowest %.3f s (input %ld), at most %ld MB\n",
        inputs, accepted, inputs - accepted, slowest, slowest_input, usage.ru_maxrss / 1024);
    return 0;
}

}  // namespace ailab::test
