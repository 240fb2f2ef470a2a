#pragma once
#include <map>
#include <string>

#include "ailab/batch.hpp"

namespace ailab {

/// What a file that pickles a dict of arrays holds (Python's CIFAR): arrays of numpy as tensors,
/// lists of whole numbers as int64 tensors [n], lists of text as text; other entries are left out.
/// Nothing in the file is executed; keys may be text or bytes. Throws Error that names the file.
AILAB_API std::map<std::string, BatchField> read_pickled_fields(const std::string& path);

}  // namespace ailab
