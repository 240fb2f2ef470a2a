#pragma once
#include <filesystem>
#include <string>

namespace ailab {

/// What an earlier part of the run has written there; "" where there is no file. Throws Error when
/// there is one that cannot be read: it is not to be taken for an empty one and written anew.
std::string stored_text(const std::filesystem::path& path);

}  // namespace ailab
