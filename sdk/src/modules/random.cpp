#include "ailab/random.hpp"

#include <cmath>
#include <numbers>
#include <numeric>

namespace ailab {

void Philox::block(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; ++round) {
        const uint64_t p0 = uint64_t(0xD2511F53u) * c0;
        const uint64_t p1 = uint64_t(0xCD9E8D57u) * c2;
        const uint32_t n0 = uint32_t(p1 >> 32) ^ c1 ^ k0;
        const uint32_t n2 = uint32_t(p0 >> 32) ^ c3 ^ k1;
        c1 = uint32_t(p1);
        c3 = uint32_t(p0);
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

namespace {

/// Spreads (a, b) over the counter's upper three words; the lowest word counts the blocks.
uint64_t mix(uint64_t x) {  // SplitMix64's finaliser
    x += 0x9E3779B97F4A7C15ull;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
}

}  // namespace

Philox::Philox(uint64_t seed, uint64_t a, uint64_t b) {
    // The key is (seed, a); b, the number that runs, has counter words of its own.
    const uint64_t key = mix(seed) ^ mix(a * 2 + 1);
    key_[0] = uint32_t(key);
    key_[1] = uint32_t(key >> 32);
    counter_[0] = 0;
    counter_[1] = uint32_t(b);
    counter_[2] = uint32_t(b >> 32);
    counter_[3] = uint32_t(a);
}

uint32_t Philox::next() {
    if (used_ == 4) {
        block(counter_, key_, words_);
        ++counter_[0];
        used_ = 0;
    }
    return words_[used_++];
}

uint64_t Philox::next64() {
    const uint64_t low = next();
    return low | uint64_t(next()) << 32;
}

double Philox::uniform() {
    return double(next64() >> 11) * 0x1p-53;
}

uint64_t Philox::below(uint64_t n) {
    // Lemire, "Fast Random Integer Generation in an Interval", 2019.
    unsigned __int128 product = static_cast<unsigned __int128>(next64()) * n;
    if (uint64_t(product) < n) {
        const uint64_t threshold = (0 - n) % n;
        while (uint64_t(product) < threshold)
            product = static_cast<unsigned __int128>(next64()) * n;
    }
    return uint64_t(product >> 64);
}

double Philox::normal(double mean, double std) {
    const double u = 1 - uniform();  // (0, 1]: the logarithm is finite
    const double v = uniform();
    return mean + std * std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

std::vector<int64_t> permutation(int64_t n, uint64_t seed, uint64_t epoch) {
    std::vector<int64_t> order(size_t(n > 0 ? n : 0));
    std::iota(order.begin(), order.end(), 0);
    Philox random(seed, epoch, ~uint64_t(0));
    for (int64_t i = n - 1; i > 0; --i) std::swap(order[i], order[random.below(uint64_t(i) + 1)]);
    return order;
}

}  // namespace ailab
