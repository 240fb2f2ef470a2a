#pragma once
#include <c10/util/Logging.h>

#include <algorithm>
#include <cstdlib>

namespace ailab::dist {

/// While it lives, LibTorch logs errors alone: its stores print a page with a backtrace when
/// another rank dies, and the job has its own message for that. TORCH_CPP_LOG_LEVEL brings all of
/// it back.
class QuietC10d {
  public:
    QuietC10d() : before_(FLAGS_caffe2_log_level) {
        constexpr int errors_alone = 2;
        if (!std::getenv("TORCH_CPP_LOG_LEVEL"))
            FLAGS_caffe2_log_level = std::max(before_, errors_alone);
    }
    ~QuietC10d() { FLAGS_caffe2_log_level = before_; }
    QuietC10d(const QuietC10d&) = delete;
    QuietC10d& operator=(const QuietC10d&) = delete;

  private:
    const int before_;
};

}  // namespace ailab::dist
