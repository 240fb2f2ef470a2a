#pragma once
#include <string>

#include "input_file.hpp"

namespace ailab {

/// By the rules of the format: a length of at most 100,000,000 in 8 bytes, then JSON.
bool is_safetensors(const InputFile& file);

/// What a file that is none of those wanted looks like, for a message: `a text that begins with
/// "model: {type: MLP}"`, `a safetensors file`, `a file that begins with the bytes 89 50 4e 47`.
std::string describe_kind(const InputFile& file);

}  // namespace ailab
