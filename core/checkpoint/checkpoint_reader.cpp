#include <cstring>
#include <filesystem>

#include "ailab/error.hpp"
#include "ailab/support/regular_file.hpp"
#include "checkpoint.hpp"
#include "manifest.hpp"
#include "state_files.hpp"
#include "validate_weights.hpp"

namespace ailab {
namespace {

constexpr uint64_t max_values_size = uint64_t(1) << 30;

void require_file(const Manifest& manifest, const std::string& name, const std::string& path) {
    if (!manifest.files.count(name))
        throw Error(
            concat("the checkpoint ", path, " is not complete: its manifest has no ", name));
}

void check_file(const std::string& path, const std::string& name, const FileDigest& expected) {
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

bool is_of_module(const std::string& name) {
    return name.starts_with(checkpoint_file::of_module);
}

State without_modules(State state) {
    std::erase_if(state.tensors, [](const auto& entry) { return is_of_module(entry.first); });
    return state;
}

/// Hands the tensors of a rank's file that are a module's to that module.
void unpack_rank_tensors(const State& rank, const std::string& file,
                         std::map<std::string, State>& modules) {
    for (const auto& [name, tensor] : rank.tensors) {
        if (!is_of_module(name)) continue;
        const std::string path = name.substr(std::strlen(checkpoint_file::of_module));
        const size_t slash = path.find('/');
        const auto module = modules.find(path.substr(0, slash));
        if (slash == std::string::npos || module == modules.end())
            throw Error(concat(file, ": tensor \"", name, "\" belongs to no module of ",
                               checkpoint_file::state_values));
        module->second.rank_tensors[path.substr(slash + 1)] = tensor;
    }
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
    for (const auto& [name, tensor] : manifest.shards)
        for (const ShardedTensor::Piece& piece : tensor.pieces)
            require_file(manifest, checkpoint_file::shards(piece.rank), path);
    for (const auto& [name, expected] : manifest.files) check_file(path, name, expected);
}

void validate_weights(const std::string& path) {
    namespace fs = std::filesystem;
    std::error_code none;
    const bool is_folder = fs::is_directory(path, none);
    const fs::path folder = is_folder ? fs::path(path) : fs::path(parent_folder(path));
    if (!fs::exists(folder / checkpoint_file::manifest, none)) return;
    if (is_folder) return validate_checkpoint(path);
    const Manifest manifest = read_manifest(folder.string());
    const std::string name = fs::path(path).filename().string();
    if (const auto file = manifest.files.find(name); file != manifest.files.end())
        check_file(folder.string(), name, file->second);
}

State read_rank_state(const std::string& path, int rank) {
    return without_modules(read_rank(path + "/" + checkpoint_file::rank(rank)));
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
    if (rank < manifest.world_size) {
        const std::string file = path + "/" + checkpoint_file::rank(rank);
        State own = read_rank(file);
        unpack_rank_tensors(own, file, checkpoint.modules);
        checkpoint.rank = without_modules(std::move(own));
    }
    checkpoint.shards = ShardReader(path, manifest.shards);
    return checkpoint;
}

}  // namespace ailab
