#pragma once
#include <string>
#include <vector>

#include "checkpoint/weights_file.hpp"
#include "schema/pretrained.hpp"

namespace ailab {

/// Applies `prefix` and `mapping` to the names in a file that was read from `path`. Returns a line
/// for each expression of `mapping` that matched no name. Throws Error when nothing begins with
/// the prefix, and when two tensors get one name.
std::vector<std::string> rename_weights(WeightsFile& file, const Pretrained& rules,
                                        const std::string& path);

}  // namespace ailab
