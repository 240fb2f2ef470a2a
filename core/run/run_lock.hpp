#pragma once
#include <string>

#include "ailab/background.hpp"
#include "ailab/comm.hpp"

namespace ailab {

/// Says that a run is alive, so that no other process goes on with its folder. Rank 0 holds
/// `<run_dir>/.lock`: locked (which other processes of this host, and of most network file systems,
/// see) and touched every few seconds (for those that do not). Gone with the process.
class RunLock {
  public:
    /// Throws the same Error on every rank when another process has it. Collective.
    RunLock(const std::string& run_dir, Comm& comm);
    ~RunLock();
    RunLock(const RunLock&) = delete;
    RunLock& operator=(const RunLock&) = delete;

  private:
    struct Keeper;
    std::unique_ptr<Keeper> keeper_;
};

/// Whether a process has the run in a folder now, as far as this host can tell.
bool is_run_alive(const std::string& run_dir);

}  // namespace ailab
