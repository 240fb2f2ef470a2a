#pragma once
// The store that torchrun's agent opened for its workers. It authenticates nobody: what goes
// through it is not secret, and what comes out of it is not believed but tried.
#include <chrono>
#include <optional>
#include <string>

#include "init_method.hpp"
#include "net.hpp"

namespace ailab::dist {

/// Leaves rank 0's meeting there. Throws Error when that cannot be done in time.
void show_at_agent(const AgentStore& place, const std::string& meeting,
                   std::chrono::milliseconds timeout, Clock::time_point deadline);

/// What rank 0 left there, or nothing and the reason in `why`.
std::optional<std::string> look_at_agent(const AgentStore& place, std::chrono::milliseconds timeout,
                                         Clock::time_point deadline, std::string& why);

}  // namespace ailab::dist
