#pragma once
// Options that name a folder to write to. What is wrong with one is told before the training, at
// the option's place, and not when the first file comes.
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>

#include "ailab/error.hpp"
#include "options/placed.hpp"

namespace ailab {

/// By default the hook's usual one.
using GivenFolder = Placed<std::optional<std::string>>;

/// Makes the folder that the option `name` gives, if it is not there, and sees that files can be
/// made in it; nothing where none is given. For one rank. Throws ConfigError.
inline void make_output_folder(const GivenFolder& given, const char* name) {
    if (!given.value) return;
    std::error_code error;
    std::filesystem::create_directories(*given.value, error);
    const char* what = "cannot create the folder ";
    if (!error && access(given.value->c_str(), W_OK | X_OK) != 0) {
        what = "cannot write to the folder ";
        error = std::error_code(errno, std::generic_category());
    }
    if (error)
        throw ConfigError(
            {{given.place, concat(name, ": ", what, *given.value, ": ", error.message(),
                                  ". Name another, or leave ", name, " out for the usual one")}});
}

}  // namespace ailab
