#pragma once
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <functional>
#include <optional>
#include <string>

#include "ailab/registry.hpp"

namespace ailab {

/// Who starts this process and where it stands among the others.
struct AILAB_API RankInfo {
    int rank = 0;
    int world_size = 1;
    int local_rank = 0;
    int local_size = 1;
    /// "single", "mpirun", "slurm" or "env" (torchrun-style variables).
    std::string launcher = "single";
    bool one_host() const { return local_size == world_size; }
};

/// Whether a module can be used here, and how well it suits; `auto` takes the highest score.
struct Availability {
    /// Empty when it can be used; else why not and what to do.
    std::string reason;
    /// Higher is better: nccl with GPUs 100, shm on one host 80, mpi 60, gloo 40.
    int score = 0;
    bool ok() const { return reason.empty(); }
};

/// A way to communicate: makes the c10d backend that everything else goes over.
class AILAB_API Backend {
  public:
    virtual ~Backend();
    /// Asked before anything is started, the same on all ranks of a host.
    virtual Availability available(const RankInfo& rank_info, c10::DeviceType device) const = 0;
    /// Collective. `store` is shared by all ranks; keys are this backend's own.
    virtual c10::intrusive_ptr<c10d::Backend> create(const RankInfo& rank_info,
                                                     const c10::intrusive_ptr<c10d::Store>& store,
                                                     c10::Device device) = 0;
    /// How rank 0's text reaches everyone before there is a store (MPI can do that by itself);
    /// empty where there is no way. The function is collective; call it before threads are started.
    virtual std::function<std::string(const std::string&)> early_broadcast() { return {}; }
    /// Called on every rank before the process ends well, after the last collective.
    virtual void shutdown() {}
    /// Called on an error path, by the thread that watches the other ranks, while the main thread
    /// may be inside of a collective: end the job's other ranks if this backend can. Must not wait.
    virtual void abort() noexcept {}
};

}  // namespace ailab
