#pragma once
#include <memory>
#include <string>
#include <vector>

#include "checkpoint.hpp"
#include "rank_report.hpp"

namespace ailab {

/// The files that one rank writes: first all of them, then they are put on the disk together.
class CheckpointFiles {
  public:
    explicit CheckpointFiles(std::string folder) : folder_(std::move(folder)) {}

    /// Rank 0: the model and the states that all ranks share.
    void write_shared(const Checkpoint& checkpoint);
    /// What a rank has of its own, and its pieces of what lies on several.
    void write_rank(const Checkpoint& checkpoint, int rank);
    /// Rank 0, when all have reported what they wrote.
    void write_manifest(const Checkpoint& checkpoint, const std::vector<RankReport>& reports);
    /// Another small file beside them, at any path.
    void write_text(const std::string& path, const std::string& text);

    /// What was written so far, by name without the folder.
    Digests digests() const;
    /// From here on all of it, and its names in the folder, survive a power cut.
    void finish();

  private:
    DurableFile& add(const std::string& path);
    void write_tensors(const std::string& name, const NamedTensors& tensors, Metadata metadata);

    std::string folder_;
    std::vector<std::unique_ptr<DurableFile>> files_;
};

}  // namespace ailab
