#pragma once
#include <string>

namespace ailab {

/// Before weights are taken from `path`: of a checkpoint's folder all of it must be as it was
/// written, of one of its files that one. Throws Error that says what is damaged. Lets a folder or
/// a file through that no manifest tells of.
void validate_weights(const std::string& path);

}  // namespace ailab
