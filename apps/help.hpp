#pragma once
#include <string>

namespace ailab::app {

std::string help_text();
/// "ailab 0.1.0 (LibTorch 2.11.0, …)".
std::string version_text();

}  // namespace ailab::app
