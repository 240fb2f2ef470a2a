#pragma once
#include <functional>
#include <thread>

namespace ailab {

/// A thread of this name (at most 15 characters) that takes no signals: they belong to the thread
/// that watches the job. Throws std::system_error that says which thread cannot be started, and
/// what limits it.
std::thread start_thread(const char* name, std::function<void()> body);

}  // namespace ailab
