#pragma once
#include <string>

namespace ailab {

/// What is wrong with a regular expression, or "". `key` begins the message.
std::string regex_problem(const std::string& key, const std::string& pattern);

}  // namespace ailab
