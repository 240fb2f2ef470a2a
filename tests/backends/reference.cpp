#include "reference.hpp"

#include <ATen/ATen.h>

#include <cmath>

namespace ailab::testing {
namespace {

uint64_t mixed(uint64_t x) {  // splitmix64
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

uint64_t bits_at(int64_t i, int rank, int salt) {
    return mixed(uint64_t(i) ^ mixed(uint64_t(rank) << 32 | uint64_t(salt)));
}

bool wraps(c10::ScalarType type) {
    return c10::isIntegralType(type, /*includeBool=*/true);
}

template <class T>
T combine(Op op, T a, T b) {
    switch (op) {
        case Op::PRODUCT:
            return a * b;
        case Op::MIN:
            return b < a ? b : a;
        case Op::MAX:
            return b > a ? b : a;
        default:
            return a + b;
    }
}

int64_t combine_bits(Op op, int64_t a, int64_t b) {
    switch (op) {
        case Op::BAND:
            return a & b;
        case Op::BOR:
            return a | b;
        case Op::BXOR:
            return a ^ b;
        default:
            return combine<int64_t>(op, a, b);
    }
}

bool combine_bools(Op op, bool a, bool b) {
    switch (op) {
        case Op::PRODUCT:
        case Op::MIN:
        case Op::BAND:
            return a && b;
        case Op::BXOR:
            return a != b;
        default:
            return a || b;
    }
}

}  // namespace

at::Tensor values(int64_t count, c10::ScalarType type, int rank, int salt) {
    if (wraps(type)) {
        at::Tensor whole = at::empty({count}, at::kLong);
        int64_t* data = whole.data_ptr<int64_t>();
        const int64_t low = type == at::kByte || type == at::kBool ? 0 : -8;
        const uint64_t range = type == at::kBool ? 2 : 16;
        for (int64_t i = 0; i < count; ++i) data[i] = low + int64_t(bits_at(i, rank, salt) % range);
        return whole.to(type);
    }
    at::Tensor real = at::empty({count}, at::kDouble);
    double* data = real.data_ptr<double>();
    for (int64_t i = 0; i < count; ++i)
        data[i] = double(bits_at(i, rank, salt) >> 11) / double(uint64_t{1} << 52) - 1;
    return real.to(type);
}

at::Tensor reduced(int64_t count, c10::ScalarType type, int size, int salt, Op op) {
    const auto wide = wraps(type) ? at::kLong : at::kDouble;
    at::Tensor sum = values(count, type, 0, salt).to(wide);
    for (int rank = 1; rank < size; ++rank) {
        const at::Tensor other = values(count, type, rank, salt).to(wide);
        for (int64_t i = 0; i < count; ++i) {
            if (type == at::kBool) {
                int64_t& a = sum.data_ptr<int64_t>()[i];
                a = combine_bools(op, a != 0, other.data_ptr<int64_t>()[i] != 0);
            } else if (wide == at::kLong) {
                int64_t& a = sum.data_ptr<int64_t>()[i];
                a = combine_bits(op, a, other.data_ptr<int64_t>()[i]);
            } else {
                double& a = sum.data_ptr<double>()[i];
                a = combine(op, a, other.data_ptr<double>()[i]);
            }
        }
    }
    if (op != Op::AVG) return wide == at::kLong ? sum.to(type) : sum;
    // The sum is an integer of the type, divided towards zero.
    if (wide == at::kLong) return (sum.to(type).to(at::kLong)).div(size, "trunc").to(type);
    return sum / size;
}

std::string difference(const at::Tensor& got, const at::Tensor& expected, int size) {
    if (got.numel() != expected.numel()) return "wrong size";
    if (got.numel() == 0) return "";
    if (wraps(got.scalar_type())) {
        if (at::equal(got.reshape({-1}), expected.reshape({-1}).to(got.scalar_type()))) return "";
    } else {
        double epsilon = 0;
        switch (got.scalar_type()) {
            case at::kHalf:
                epsilon = std::ldexp(1.0, -11);
                break;
            case at::kBFloat16:
                epsilon = std::ldexp(1.0, -8);
                break;
            case at::kFloat:
                epsilon = std::ldexp(1.0, -24);
                break;
            default:
                epsilon = std::ldexp(1.0, -53);
        }
        // Each of size - 1 roundings errs by half a unit of a sum that may reach `size`.
        const double allowed = epsilon * size * size;
        const at::Tensor error = (got.to(at::kDouble) - expected.to(at::kDouble)).abs();
        if (error.max().item<double>() <= allowed) return "";
    }
    const at::Tensor apart =
        (got.to(at::kDouble) - expected.to(at::kDouble)).abs().reshape({-1}).argmax();
    const auto i = apart.item<int64_t>();
    return c10::str("element ", i, " of ", got.numel(), " is ", got.reshape({-1})[i].item<double>(),
                    ", expected ", expected.reshape({-1})[i].item<double>());
}

const char* op_name(Op op) {
    static constexpr const char* names[] = {"sum", "avg",  "product", "min",
                                            "max", "band", "bor",     "bxor"};
    return names[op];
}

}  // namespace ailab::testing
