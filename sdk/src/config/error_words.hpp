#pragma once
#include <exception>
#include <string>

#include "ailab/export.hpp"

namespace ailab {

/// What an exception says for people: of one of std::filesystem the name of the file and the reason
/// alone, of one of LibTorch all but the backtrace.
AILAB_API std::string error_words(const std::exception& error);

}  // namespace ailab
