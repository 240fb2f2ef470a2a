#include "progress_line.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "ailab/support/number_text.hpp"

namespace ailab {
namespace {

bool is_terminal() {
    const char* term = std::getenv("TERM");
    return isatty(STDERR_FILENO) && (!term || std::string_view(term) != "dumb");
}

}  // namespace

ProgressLine::ProgressLine(std::optional<int64_t> total, bool wanted)
    : total_(total), draws_(wanted && is_terminal()) {}

ProgressLine::~ProgressLine() {
    clear();
}

void ProgressLine::advance() {
    ++done_;
    if (!draws_) return;
    constexpr double interval = 0.1;  // seconds
    const auto now = Clock::now();
    if (visible_ && seconds(now - drawn_) < interval) return;
    drawn_ = now;
    visible_ = true;
    const double rate = double(done_) / std::max(1e-9, seconds(now - begin_));
    std::fprintf(stderr, "\r%lld", static_cast<long long>(done_));
    if (total_) std::fprintf(stderr, "/%lld", static_cast<long long>(*total_));
    std::fprintf(stderr, " files, %s/s", fixed_text(rate, 1).c_str());
    if (total_)
        std::fprintf(stderr, ", %s s left", fixed_text(double(*total_ - done_) / rate, 0).c_str());
    std::fprintf(stderr, "\x1b[K");
    std::fflush(stderr);
}

void ProgressLine::clear() {
    if (!visible_) return;
    visible_ = false;
    std::fprintf(stderr, "\r\x1b[K");
    std::fflush(stderr);
}

}  // namespace ailab
