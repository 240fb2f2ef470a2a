#pragma once
// The loops of the reductions: always inlined, so that each of their users is compiled for its own
// instruction set.
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <bit>
#include <cstdint>
#include <type_traits>

#define AILAB_INLINE inline __attribute__((always_inline))
// An out may be the same memory as an in, index by index: nothing is carried from one to the next.
#if defined(__clang__)
#define AILAB_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define AILAB_INDEPENDENT _Pragma("GCC ivdep")
#endif

namespace ailab::collectives {

// What a value is while it is summed.
template <class T>
struct Wide {
    using type = T;
    static AILAB_INLINE T widen(T x) { return x; }
    static AILAB_INLINE T narrow(T x) { return x; }
};
template <>
struct Wide<c10::BFloat16> {
    using type = float;
    static AILAB_INLINE float widen(c10::BFloat16 x) {
        return std::bit_cast<float>(uint32_t{x.x} << 16);
    }
    static AILAB_INLINE c10::BFloat16 narrow(float x) {
        // To the nearest, ties to even, without a branch so that it vectorises.
        const uint32_t bits = std::bit_cast<uint32_t>(x);
        const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
        return {uint16_t(x != x ? 0x7fc0 : rounded), c10::BFloat16::from_bits()};
    }
};
template <>
struct Wide<c10::Half> {
    using type = float;
    static AILAB_INLINE float widen(c10::Half x) {
        return c10::detail::fp16_ieee_to_fp32_value(x.x);
    }
    static AILAB_INLINE c10::Half narrow(float x) {
        return {c10::detail::fp16_ieee_from_fp32_value(x), c10::Half::from_bits()};
    }
};

// Overflow wraps, as in ATen: signed integers are added as unsigned ones.
template <class T>
using Wrapping = typename std::conditional_t<std::is_integral_v<T>, std::make_unsigned<T>,
                                             std::type_identity<T>>::type;

struct Keep {
    template <class T>
    static AILAB_INLINE T finish(T x, int64_t) {
        return x;
    }
};
struct Sum : Keep {
    template <class T>
    static AILAB_INLINE T combine(T a, T b) {
        return T(Wrapping<T>(a) + Wrapping<T>(b));
    }
};
struct Avg : Sum {
    template <class T>
    static AILAB_INLINE T finish(T x, int64_t ranks) {
        // int8 holds no 128 ranks: integers are divided as 64 bits.
        if constexpr (std::is_integral_v<T>)
            return T(int64_t(x) / ranks);
        else
            return x / T(ranks);
    }
};
struct Product : Keep {
    template <class T>
    static AILAB_INLINE T combine(T a, T b) {
        if constexpr (std::is_integral_v<T>)
            return T(uint64_t(a) * uint64_t(b));
        else
            return a * b;
    }
};
struct Min : Keep {
    template <class T>
    static AILAB_INLINE T combine(T a, T b) {
        return (b < a || b != b) ? b : a;
    }
};
struct Max : Keep {
    template <class T>
    static AILAB_INLINE T combine(T a, T b) {
        return (b > a || b != b) ? b : a;
    }
};
struct BitAnd : Keep {
    template <class T>
    static AILAB_INLINE T combine(T a, T b) {
        return T(a & b);
    }
};
struct BitOr : Keep {
    template <class T>
    static AILAB_INLINE T combine(T a, T b) {
        return T(a | b);
    }
};
struct BitXor : Keep {
    template <class T>
    static AILAB_INLINE T combine(T a, T b) {
        return T(a ^ b);
    }
};

// The loops. `pair` is the whole of a reduction over two ranks; `first`, `middle` and `last` go
// through a block of wide values in the level 1 cache.
template <class T, class Op>
AILAB_INLINE void pair_loop(void* out, const void* a, const void* b, int64_t n, int64_t ranks) {
    using W = Wide<T>;
    auto* o = static_cast<T*>(out);
    auto* x = static_cast<const T*>(a);
    auto* y = static_cast<const T*>(b);
    AILAB_INDEPENDENT
    for (int64_t i = 0; i < n; ++i)
        o[i] = W::narrow(Op::finish(Op::combine(W::widen(x[i]), W::widen(y[i])), ranks));
}
template <class T, class Op>
AILAB_INLINE void first_loop(void* sum, const void* a, const void* b, int64_t n) {
    using W = Wide<T>;
    auto* s = static_cast<typename W::type*>(sum);
    auto* x = static_cast<const T*>(a);
    auto* y = static_cast<const T*>(b);
    AILAB_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) s[i] = Op::combine(W::widen(x[i]), W::widen(y[i]));
}
template <class T, class Op>
AILAB_INLINE void middle_loop(void* sum, const void* a, int64_t n) {
    using W = Wide<T>;
    auto* s = static_cast<typename W::type*>(sum);
    auto* x = static_cast<const T*>(a);
    AILAB_INDEPENDENT
    for (int64_t i = 0; i < n; ++i) s[i] = Op::combine(s[i], W::widen(x[i]));
}
template <class T, class Op>
AILAB_INLINE void last_loop(void* out, const void* sum, const void* a, int64_t n, int64_t ranks) {
    using W = Wide<T>;
    auto* o = static_cast<T*>(out);
    auto* s = static_cast<const typename W::type*>(sum);
    auto* x = static_cast<const T*>(a);
    AILAB_INDEPENDENT
    for (int64_t i = 0; i < n; ++i)
        o[i] = W::narrow(Op::finish(Op::combine(s[i], W::widen(x[i])), ranks));
}

}  // namespace ailab::collectives
