#include "output_place.hpp"

#include <filesystem>

#include "ailab/error.hpp"

namespace ailab {

void check_output(const std::string& path, bool force) {
    std::error_code problem;
    const bool exists = std::filesystem::exists(path, problem);
    if (problem) throw ConfigError(concat("cannot write ", path, ": ", problem.message()));
    if (!force && exists)
        throw ConfigError(concat(path, " exists; give another -o, or --force to replace it"));
}

}  // namespace ailab
