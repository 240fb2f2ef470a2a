#pragma once
#include <cstdint>
#include <string>

#include "records.hpp"
#include "trackers/transaction_log.hpp"

namespace ailab::wandb {

/// The folder of one start of a run, as the W&B client leaves it:
/// `wandb/offline-run-<time>-<id>/{run-<id>.wandb, files/, logs/}`.
class RunFiles {
  public:
    /// Makes the folder in `parent`. Throws Error.
    void open(const std::string& parent, const RunStart& start);
    const std::string& folder() const { return folder_; }
    std::string upload_log() const;
    /// Whether the client says that it has uploaded all of it.
    bool is_uploaded() const;

    /// Saves a file for upload; one that cannot be written is a warning.
    void save(const std::string& name, const std::string& text);
    void write(const Content& content);
    void close() { log_.close(); }

  private:
    std::string folder_;
    std::string run_id_;
    int64_t records_ = 0;
    TransactionLog log_{wandb_log};
};

}  // namespace ailab::wandb
