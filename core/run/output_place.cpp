#include "output_place.hpp"

#include <filesystem>

#include "ailab/error.hpp"

namespace ailab {

void check_output(const std::string& path, bool force) {
    if (!force && std::filesystem::exists(path))
        throw ConfigError(concat(path, " exists; give another -o, or --force to replace it"));
}

}  // namespace ailab
