#pragma once
#include <string>

namespace ailab {

/// In a catch block: throws Error with `where` before what the exception in flight says, and `hint`
/// behind. A ConfigError stays one.
[[noreturn]] void rethrow_with(const std::string& where, const std::string& hint = "");

/// What LibTorch adds to its errors (a C++ backtrace) is left out of a message.
std::string short_message(const std::exception& error);

}  // namespace ailab
