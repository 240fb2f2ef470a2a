#include "collective.hpp"

#include <atomic>

namespace ailab::dist {
namespace {
std::atomic<bool> failed{false};
std::atomic<int64_t> since{0};  // nanoseconds of the steady clock; 0: in none

int64_t now() noexcept {
    return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}
}  // namespace

InCollective::InCollective() noexcept {
    since.store(now(), std::memory_order_relaxed);
}

InCollective::~InCollective() {
    since.store(0, std::memory_order_relaxed);
}

std::chrono::nanoseconds InCollective::lasted() noexcept {
    const int64_t begin = since.load(std::memory_order_relaxed);
    return std::chrono::nanoseconds(begin == 0 ? 0 : now() - begin);
}

CollectiveError::CollectiveError(const std::string& text) : Error(text) {
    failed = true;
}

bool collective_failed() noexcept {
    return failed;
}

}  // namespace ailab::dist
