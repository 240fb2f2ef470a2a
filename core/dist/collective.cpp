#include "collective.hpp"

#include <atomic>

namespace ailab::dist {
namespace {
std::atomic<bool> failed{false};
}

CollectiveError::CollectiveError(const std::string& text) : Error(text) {
    failed = true;
}

bool collective_failed() noexcept {
    return failed;
}

}  // namespace ailab::dist
