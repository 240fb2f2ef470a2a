#pragma once
#include <exception>

namespace ailab {

/// Whether more memory was asked for than there is, or than can be counted: std::bad_alloc,
/// std::length_error, and what LibTorch says, which has no type of its own for it.
bool is_about_memory(const std::exception& error);

}  // namespace ailab
