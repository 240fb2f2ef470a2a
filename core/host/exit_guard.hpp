#pragma once
#include <functional>
#include <string>

#include "ailab/export.hpp"

namespace ailab {

/// While one lives, exit() and quick_exit() are a failure: a plugin, or a library that it uses,
/// ends the process in the middle of its work, which would count as success. The process then ends
/// with a message and exit status 1. A process that it has forked may end as it likes.
class AILAB_API ExitGuard {
  public:
    ExitGuard();
    ~ExitGuard();
    ExitGuard(const ExitGuard&) = delete;
    ExitGuard& operator=(const ExitGuard&) = delete;
};

/// Who tells such a message in place of stderr, and ends the process; on the thread that called
/// exit(). Empty: stderr again.
void tell_exits(std::function<void(const std::string& text)> tell);

}  // namespace ailab
