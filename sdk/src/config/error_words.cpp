#include "error_words.hpp"

#include <algorithm>
#include <filesystem>

#include "ailab/error.hpp"

namespace ailab {

std::string error_words(const std::exception& error) {
    const auto* of_file = dynamic_cast<const std::filesystem::filesystem_error*>(&error);
    if (!of_file) {
        const std::string text = error.what();
        return text.substr(
            0, std::min(text.find("\nException raised from "), text.find("\nframe #0: ")));
    }
    const std::string first = of_file->path1().string(), second = of_file->path2().string();
    return concat(first.empty() ? "a file's name is empty" : first,
                  second.empty() ? "" : " and " + second, ": ", of_file->code().message());
}

}  // namespace ailab
