#pragma once
#include <functional>
#include <memory>
#include <string>

#include "ailab/background.hpp"
#include "ailab/comm.hpp"

namespace ailab {

/// Says that a run is alive, so that no other process goes on with its folder. Rank 0 holds
/// `<run_dir>/.lock`: locked (which other processes of this host, and of most network file systems,
/// see) and touched every few seconds (for those that do not). Gone with the process.
class RunLock {
  public:
    /// Throws the same Error on every rank when another process has it. Collective. `vanished` is
    /// called within seconds, on another thread, when the folder is gone from its place, with a
    /// text that says so; it must end the run.
    RunLock(const std::string& run_dir, Comm& comm,
            std::function<void(const std::string& text)> vanished);
    ~RunLock();
    RunLock(const RunLock&) = delete;
    RunLock& operator=(const RunLock&) = delete;

    /// Throws Error when the folder is gone: what was written there is lost. Rank 0; others see
    /// nothing.
    void check() const;

    struct Keeper;

  private:
    std::unique_ptr<Keeper> keeper_;
};

/// Works on the folder of a run that no process has, with the run's lock held. False, and nothing
/// done, where one has it. Throws Error when the folder cannot be written.
bool with_dead_run(const std::string& run_dir, const std::function<void()>& work);

/// Whether a process has the run in a folder now, as far as this host can tell.
bool is_run_alive(const std::string& run_dir);

}  // namespace ailab
