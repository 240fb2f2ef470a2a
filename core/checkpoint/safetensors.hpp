#pragma once
#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "ailab/export.hpp"

namespace ailab {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// Writes the safetensors format (header <= 100,000,000 bytes, 8-byte aligned, offsets without holes).
/// Tensors are made contiguous and taken to the CPU; two names for one tensor are an Error. fsyncs.
AILAB_API void write_safetensors(const std::string& path, const NamedTensors& tensors,
                                 const std::map<std::string, std::string>& metadata = {});
/// Reads one. Everything is checked before memory is taken. Throws Error naming the file.
AILAB_API NamedTensors read_safetensors(const std::string& path,
                                        std::map<std::string, std::string>* metadata = nullptr);

}  // namespace ailab
