#pragma once
// Loops over pixels for the vector unit of the machine at hand.

namespace ailab::image {

#if defined(__x86_64__)
#define AILAB_AVX2 __attribute__((target("avx2,fma")))

inline bool has_avx2() {
    static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return has;
}

namespace detail {
template <class Loop>
AILAB_AVX2 __attribute__((flatten)) void with_avx2(const Loop& loop) {
    loop();
}
}  // namespace detail
#endif

/// Runs `loop()`, which the compiler makes twice: for AVX2 with FMA, and for every machine.
template <class Loop>
void vectorised(const Loop& loop) {
#if defined(__x86_64__)
    if (has_avx2()) return detail::with_avx2(loop);
#endif
    loop();
}

}  // namespace ailab::image
