#pragma once
#include <string>
#include <vector>

namespace ailab {

/// The files of `train-{0000..0099}.tar`, `{a,b}.tar` or `*.tar`. Names without * and ? are taken
/// as they are, there or not; those with must match at least one file. Throws ConfigError.
std::vector<std::string> expand_pattern(const std::string& pattern);

}  // namespace ailab
