#include "ailab/error.hpp"
#include "checkpoint.hpp"
#include "config/regular_file.hpp"
#include "manifest.hpp"
#include "state_files.hpp"

namespace ailab {
namespace {

constexpr uint64_t max_values_size = uint64_t(1) << 30;

void require_file(const Manifest& manifest, const std::string& name, const std::string& path) {
    if (!manifest.files.count(name))
        throw Error(
            concat("the checkpoint ", path, " is not complete: its manifest has no ", name));
}

NamedTensors read_tensors(const std::string& file, Metadata& metadata) {
    NamedTensors tensors = read_safetensors(file, &metadata);
    restore_aliases(tensors, metadata);
    return tensors;
}

State read_rank(const std::string& file) {
    Metadata metadata;
    const NamedTensors tensors = read_tensors(file, metadata);
    State state;
    state.tensors.insert(tensors.begin(), tensors.end());
    const auto values = metadata.find("ailab.values");
    if (values == metadata.end()) throw Error(concat(file, " has no values in its metadata"));
    state.values = values_from_json(values->second, file);
    return state;
}

}  // namespace

void validate_checkpoint(const std::string& path) {
    Manifest manifest;
    try {
        manifest = read_manifest(path);
    } catch (const Error& error) {
        throw Error(concat("the checkpoint ", path, " is not complete: ", error.what()));
    }
    require_file(manifest, checkpoint_file::model, path);
    require_file(manifest, checkpoint_file::state_tensors, path);
    require_file(manifest, checkpoint_file::state_values, path);
    for (int rank = 0; rank < manifest.world_size; ++rank)
        require_file(manifest, checkpoint_file::rank(rank), path);
    for (const auto& [name, expected] : manifest.files) {
        FileDigest found;
        try {
            found = digest_file(path + "/" + name);
        } catch (const Error& error) {
            throw Error(concat("the checkpoint ", path, " is not complete: ", error.what()));
        }
        if (found.size != expected.size)
            throw Error(concat("the checkpoint ", path, " is damaged: ", name, " has ", found.size,
                               " bytes, its manifest says ", expected.size));
        if (found.crc32c != expected.crc32c)
            throw Error(concat("the checkpoint ", path, " is damaged: the checksum of ", name,
                               " is not that of its manifest"));
    }
}

State read_rank_state(const std::string& path, int rank) {
    return read_rank(path + "/" + checkpoint_file::rank(rank));
}

Checkpoint read_checkpoint(const std::string& path, int rank) {
    const Manifest manifest = read_manifest(path);
    Checkpoint checkpoint;
    checkpoint.manifest = manifest.facts;
    checkpoint.manifest.set("world_size", Node(int64_t(manifest.world_size)));
    Metadata metadata;
    checkpoint.model = read_tensors(path + "/" + checkpoint_file::model, metadata);
    Metadata state_metadata;
    const NamedTensors tensors =
        read_tensors(path + "/" + checkpoint_file::state_tensors, state_metadata);
    const std::string values =
        read_regular_file(path + "/" + checkpoint_file::state_values, max_values_size);
    unpack_states(tensors, values, path, checkpoint.modules, checkpoint.run);
    if (rank < manifest.world_size) checkpoint.rank = read_rank_state(path, rank);
    return checkpoint;
}

}  // namespace ailab
