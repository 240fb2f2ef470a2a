#include "collectives/reduce.hpp"

#include <algorithm>
#include <cstring>

#include "ailab/error.hpp"
#include "collectives/reduce_loops.hpp"

// Several versions of a loop, chosen by the processor when the plugin is loaded.
#if defined(__x86_64__)
#define AILAB_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define AILAB_CLONES
#endif

namespace ailab::collectives {
namespace {

struct Kernels {
    void (*pair)(void*, const void*, const void*, int64_t, int64_t) = nullptr;
    void (*first)(void*, const void*, const void*, int64_t) = nullptr;
    void (*middle)(void*, const void*, int64_t) = nullptr;
    void (*last)(void*, const void*, const void*, int64_t, int64_t) = nullptr;
};

template <class T, class Op>
void plain_pair(void* o, const void* a, const void* b, int64_t n, int64_t ranks) {
    pair_loop<T, Op>(o, a, b, n, ranks);
}
template <class T, class Op>
void plain_first(void* s, const void* a, const void* b, int64_t n) {
    first_loop<T, Op>(s, a, b, n);
}
template <class T, class Op>
void plain_middle(void* s, const void* a, int64_t n) {
    middle_loop<T, Op>(s, a, n);
}
template <class T, class Op>
void plain_last(void* o, const void* s, const void* a, int64_t n, int64_t ranks) {
    last_loop<T, Op>(o, s, a, n, ranks);
}
template <class T, class Op>
Kernels plain() {
    return {&plain_pair<T, Op>, &plain_first<T, Op>, &plain_middle<T, Op>, &plain_last<T, Op>};
}

// The gradients' sums, for each instruction set.
#define AILAB_CLONED_SUM(name, T)                                                                \
    AILAB_CLONES void name##_pair(void* o, const void* a, const void* b, int64_t n, int64_t r) { \
        pair_loop<T, Sum>(o, a, b, n, r);                                                        \
    }                                                                                            \
    AILAB_CLONES void name##_first(void* s, const void* a, const void* b, int64_t n) {           \
        first_loop<T, Sum>(s, a, b, n);                                                          \
    }                                                                                            \
    AILAB_CLONES void name##_middle(void* s, const void* a, int64_t n) {                         \
        middle_loop<T, Sum>(s, a, n);                                                            \
    }                                                                                            \
    AILAB_CLONES void name##_last(void* o, const void* s, const void* a, int64_t n, int64_t r) { \
        last_loop<T, Sum>(o, s, a, n, r);                                                        \
    }                                                                                            \
    Kernels name() {                                                                             \
        return {&name##_pair, &name##_first, &name##_middle, &name##_last};                      \
    }
AILAB_CLONED_SUM(sum_float, float)
AILAB_CLONED_SUM(sum_double, double)
AILAB_CLONED_SUM(sum_bfloat16, c10::BFloat16)
AILAB_CLONED_SUM(sum_half, c10::Half)
#undef AILAB_CLONED_SUM

template <class T>
Kernels arithmetic(Reduction reduction) {
    switch (reduction) {
        case Reduction::sum:
            return plain<T, Sum>();
        case Reduction::avg:
            return plain<T, Avg>();
        case Reduction::product:
            return plain<T, Product>();
        case Reduction::min:
            return plain<T, Min>();
        case Reduction::max:
            return plain<T, Max>();
        default:
            return {};
    }
}

template <class T>
Kernels floating(Reduction reduction, Kernels sum) {
    return reduction == Reduction::sum ? sum : arithmetic<T>(reduction);
}

template <class T>
Kernels integral(Reduction reduction) {
    switch (reduction) {
        case Reduction::band:
            return plain<T, BitAnd>();
        case Reduction::bor:
            return plain<T, BitOr>();
        case Reduction::bxor:
            return plain<T, BitXor>();
        default:
            return arithmetic<T>(reduction);
    }
}

Kernels boolean(Reduction reduction) {
    switch (reduction) {
        case Reduction::sum:
        case Reduction::max:
        case Reduction::bor:
            return plain<uint8_t, BitOr>();
        case Reduction::product:
        case Reduction::min:
        case Reduction::band:
            return plain<uint8_t, BitAnd>();
        case Reduction::bxor:
            return plain<uint8_t, BitXor>();
        default:
            return {};
    }
}

/// Empty when there is no such reduction.
Kernels kernels_for(c10::ScalarType type, Reduction reduction) {
    switch (type) {
        case c10::kFloat:
            return floating<float>(reduction, sum_float());
        case c10::kDouble:
            return floating<double>(reduction, sum_double());
        case c10::kBFloat16:
            return floating<c10::BFloat16>(reduction, sum_bfloat16());
        case c10::kHalf:
            return floating<c10::Half>(reduction, sum_half());
        case c10::kChar:
            return integral<int8_t>(reduction);
        case c10::kByte:
            return integral<uint8_t>(reduction);
        case c10::kShort:
            return integral<int16_t>(reduction);
        case c10::kInt:
            return integral<int32_t>(reduction);
        case c10::kLong:
            return integral<int64_t>(reduction);
        case c10::kBool:
            return boolean(reduction);
        default:
            return {};
    }
}

template <class T>
void divide_as(void* data, int64_t count, int64_t divisor) {
    using W = Wide<T>;
    auto* x = static_cast<T*>(data);
    for (int64_t i = 0; i < count; ++i) x[i] = W::narrow(Avg::finish(W::widen(x[i]), divisor));
}

}  // namespace

const char* reduction_name(Reduction reduction) {
    static constexpr const char* names[] = {"sum", "avg",  "product", "min",
                                            "max", "band", "bor",     "bxor"};
    return names[size_t(reduction)];
}

Reduction reduction_of(const c10d::ReduceOp& op) {
    switch (op.op_) {
        case c10d::ReduceOp::SUM:
            return Reduction::sum;
        case c10d::ReduceOp::AVG:
            return Reduction::avg;
        case c10d::ReduceOp::PRODUCT:
            return Reduction::product;
        case c10d::ReduceOp::MIN:
            return Reduction::min;
        case c10d::ReduceOp::MAX:
            return Reduction::max;
        case c10d::ReduceOp::BAND:
            return Reduction::band;
        case c10d::ReduceOp::BOR:
            return Reduction::bor;
        case c10d::ReduceOp::BXOR:
            return Reduction::bxor;
        default:
            throw Error(concat("a reduction of kind ", int(op.op_),
                               " is NCCL's own; scale the tensor, then use SUM"));
    }
}

void check_reducible(c10::ScalarType type, Reduction reduction, const std::string& backend) {
    if (kernels_for(type, reduction).pair) return;
    throw Error(concat(backend, " has no ", reduction_name(reduction), " for ", c10::toString(type),
                       "; it reduces float16, bfloat16, float32, float64, int8, uint8, int16, "
                       "int32, int64 and bool (avg: not bool; band, bor, bxor: not floats)"));
}

void reduce(c10::ScalarType type, Reduction reduction, std::span<const void* const> ins,
            std::span<void* const> outs, int64_t count) {
    const auto size = int64_t(c10::elementSize(type));
    const auto ranks = int64_t(ins.size());
    if (outs.empty() || count == 0) return;
    if (ranks == 1) {
        for (void* out : outs) std::memmove(out, ins[0], size_t(count * size));
        return;
    }
    const Kernels kernels = kernels_for(type, reduction);
    // The block stays in the level 1 cache while it is summed and written to all outs.
    constexpr int64_t block_bytes = 4096;
    alignas(64) char sum[2 * block_bytes];
    const int64_t block = block_bytes / size;
    auto in = [&](int64_t rank, int64_t at) {
        return static_cast<const char*>(ins[size_t(rank)]) + at * size;
    };
    for (int64_t at = 0; at < count; at += block) {
        const int64_t n = std::min(block, count - at);
        char* out = static_cast<char*>(outs[0]) + at * size;
        if (ranks == 2) {
            kernels.pair(out, in(0, at), in(1, at), n, ranks);
        } else {
            kernels.first(sum, in(0, at), in(1, at), n);
            for (int64_t r = 2; r < ranks - 1; ++r) kernels.middle(sum, in(r, at), n);
            kernels.last(out, sum, in(ranks - 1, at), n, ranks);
        }
        for (size_t k = 1; k < outs.size(); ++k)
            std::memcpy(static_cast<char*>(outs[k]) + at * size, out, size_t(n * size));
    }
}

void divide(c10::ScalarType type, void* data, int64_t count, int64_t divisor) {
    switch (type) {
        case c10::kFloat:
            return divide_as<float>(data, count, divisor);
        case c10::kDouble:
            return divide_as<double>(data, count, divisor);
        case c10::kBFloat16:
            return divide_as<c10::BFloat16>(data, count, divisor);
        case c10::kHalf:
            return divide_as<c10::Half>(data, count, divisor);
        case c10::kChar:
            return divide_as<int8_t>(data, count, divisor);
        case c10::kByte:
            return divide_as<uint8_t>(data, count, divisor);
        case c10::kShort:
            return divide_as<int16_t>(data, count, divisor);
        case c10::kInt:
            return divide_as<int32_t>(data, count, divisor);
        case c10::kLong:
            return divide_as<int64_t>(data, count, divisor);
        default:
            throw Error(concat("the mean of ", c10::toString(type), " is not defined"));
    }
}

}  // namespace ailab::collectives
