#include "plugin/denormals.hpp"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace ailab::plugin {
namespace {

#if defined(__x86_64__)
constexpr unsigned long flush_bits = 0x8040;  // flush to zero, denormals are zero
unsigned long control() {
    return _mm_getcsr();
}
void set_control(unsigned long bits) {
    _mm_setcsr(unsigned(bits));
}
#elif defined(__aarch64__)
constexpr unsigned long flush_bits = 1UL << 24 | 1UL << 19;  // FZ, FZ16
unsigned long control() {
    unsigned long bits = 0;
    asm volatile("mrs %0, fpcr" : "=r"(bits));
    return bits;
}
void set_control(unsigned long bits) {
    asm volatile("msr fpcr, %0" : : "r"(bits));
}
#else
constexpr unsigned long flush_bits = 0;
unsigned long control() {
    return 0;
}
void set_control(unsigned long) {}
#endif

}  // namespace

DenormalGuard::DenormalGuard() : before_(control() & flush_bits) {}

bool DenormalGuard::restore() const {
    const unsigned long now = control();
    if ((now & flush_bits) == before_) return false;
    set_control((now & ~flush_bits) | before_);
    return true;
}

}  // namespace ailab::plugin
