#include <unistd.h>

#include <filesystem>

#include "ailab/error.hpp"
#include "checkpoint.hpp"

namespace ailab {

void write_weights(const std::string& path, const NamedTensors& weights,
                   const ClassFacts& classes) {
    std::filesystem::create_directories(parent_folder(path));
    const std::string fresh = concat(path, ".tmp-", getpid());
    unlink(fresh.c_str());  // of a killed process of the same number
    Metadata metadata = {{"format", "pt"}};
    put_classes(metadata, classes);
    note_aliases(weights, metadata);
    write_safetensors(fresh, weights, metadata);
    rename_file(fresh, path);
    sync_folder(parent_folder(path));
}

}  // namespace ailab
