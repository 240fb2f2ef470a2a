#include "checkpoint_files.hpp"

#include <sys/stat.h>

#include <filesystem>

#include "ailab/error.hpp"
#include "class_names.hpp"
#include "manifest.hpp"
#include "state_files.hpp"

namespace ailab {
namespace {

/// What the others wrote must be here too, or the ranks have different disks.
void check_visible(const std::string& folder, const std::vector<RankReport>& reports) {
    for (size_t rank = 0; rank < reports.size(); ++rank)
        for (const auto& [name, digest] : reports[rank].files) {
            struct stat info {};
            const std::string path = folder + "/" + name;
            if (stat(path.c_str(), &info) != 0 || uint64_t(info.st_size) != digest.size)
                throw Error(concat("rank ", rank, " has written ", path,
                                   ", but rank 0 does not see it; use a work_dir on a file system "
                                   "that all hosts share"));
        }
}

}  // namespace

void check_states(const Checkpoint& checkpoint) {
    Metadata aliases;
    check_safetensors(
        drop_aliases(pack_states(checkpoint.modules, checkpoint.run).tensors, aliases));
    check_safetensors(pack_rank_tensors(checkpoint.modules));
    sharded_tensors(checkpoint.modules, 0);
    check_safetensors(pack_shards(checkpoint.modules));
}

DurableFile& CheckpointFiles::add(const std::string& path) {
    return *files_.emplace_back(std::make_unique<DurableFile>(path));
}

void CheckpointFiles::write_text(const std::string& path, const std::string& text) {
    add(path).write(text);
}

void CheckpointFiles::write_tensors(const std::string& name, const NamedTensors& tensors,
                                    Metadata metadata) {
    const NamedTensors kept = drop_aliases(tensors, metadata);
    write_safetensors(add(folder_ + "/" + name), kept, metadata);
}

void CheckpointFiles::write_shared(const Checkpoint& checkpoint) {
    Metadata metadata = {{"format", "pt"}};
    put_classes(metadata, classes_in(checkpoint.manifest));
    note_aliases(checkpoint.model, metadata);
    write_safetensors(add(folder_ + "/" + checkpoint_file::model), checkpoint.model, metadata);
    const StateFiles states = pack_states(checkpoint.modules, checkpoint.run);
    write_tensors(checkpoint_file::state_tensors, states.tensors, {});
    write_text(folder_ + "/" + checkpoint_file::state_values, states.values);
}

void CheckpointFiles::write_rank(const Checkpoint& checkpoint, int rank) {
    NamedTensors tensors(checkpoint.rank.tensors.begin(), checkpoint.rank.tensors.end());
    for (auto& [name, tensor] : pack_rank_tensors(checkpoint.modules))
        tensors.emplace_back(checkpoint_file::of_module + name, tensor);
    write_tensors(checkpoint_file::rank(rank), tensors,
                  {{"ailab.values", values_to_json(checkpoint.rank.values)}});
    const NamedTensors shards = pack_shards(checkpoint.modules);
    if (!shards.empty())
        write_safetensors(add(folder_ + "/" + checkpoint_file::shards(rank)), shards, {});
}

void CheckpointFiles::write_manifest(const Checkpoint& checkpoint,
                                     const std::vector<RankReport>& reports) {
    check_visible(folder_, reports);
    Manifest manifest;
    manifest.world_size = int(reports.size());
    manifest.facts = checkpoint.manifest;
    bool has_rank_tensors = false;
    for (const RankReport& report : reports) {
        manifest.files.insert(report.files.begin(), report.files.end());
        add_pieces(manifest.shards, report.shards);
        has_rank_tensors = has_rank_tensors || report.has_rank_tensors;
    }
    check_complete(manifest.shards);
    if (has_rank_tensors) manifest.needs.push_back(needs_rank_tensors);
    if (!manifest.shards.empty()) manifest.needs.push_back(needs_shards);
    write_text(folder_ + "/" + checkpoint_file::manifest, encode_manifest(manifest));
}

Digests CheckpointFiles::digests() const {
    Digests result;
    for (const auto& file : files_)
        result[std::filesystem::path(file->path()).filename()] = file->digest();
    return result;
}

void CheckpointFiles::finish() {
    std::vector<DurableFile*> all;
    for (const auto& file : files_) all.push_back(file.get());
    finish_together(all, {folder_});
}

}  // namespace ailab
