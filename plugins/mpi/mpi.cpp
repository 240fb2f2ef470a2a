#include <atomic>
#include <climits>
#include <cstdlib>
#include <system_error>
#include <thread>

#include "ailab/ailab.hpp"
#include "mpi_backend.hpp"
#include "session.hpp"

namespace ailab::mpi {
namespace {

bool started_by_mpirun() {
    for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE"})
        if (std::getenv(name)) return true;
    return false;
}

/// The text of MPI's own rank 0, which is mpirun's and so the run's.
std::string broadcast_text(const std::string& text) {
    uint64_t size = text.size();
    check(MPI_Bcast(&size, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD), "MPI_Bcast");
    if (size > INT_MAX) throw Error("mpi: the text to broadcast is too long");
    std::string told = text;
    told.resize(size);
    check(MPI_Bcast(told.data(), int(size), MPI_CHAR, 0, MPI_COMM_WORLD), "MPI_Bcast");
    return told;
}

}  // namespace

class MpiModule final : public Backend {
  public:
    Availability available(const RankInfo&, c10::DeviceType device) const override {
        if (device != c10::DeviceType::CPU)
            return {concat("mpi moves tensors of the CPU, and this run is on ",
                           c10::DeviceTypeName(device, true),
                           "; set dist.backend to auto or nccl")};
        // MPI alone is slow to start and would be a world of one rank.
        if (!started_by_mpirun())
            return {
                "this run is not started by mpirun: start with mpirun -np N ailab-run ..., or "
                "set dist.backend to gloo or shm"};
        return {"", 60};
    }

    std::function<std::string(const std::string&)> early_broadcast() override {
        if (!started_by_mpirun()) return {};
        return [this](const std::string& text) {
            session_ = Session::get();
            return broadcast_text(text);
        };
    }

    c10::intrusive_ptr<c10d::Backend> create(const RankInfo& rank_info,
                                             const c10::intrusive_ptr<c10d::Store>&,
                                             c10::Device) override {
        session_ = Session::get();
        may_abort_ = session_->started_here();
        backend_ = c10::make_intrusive<MpiBackend>(rank_info.rank, rank_info.world_size);
        return backend_;
    }

    void shutdown() override {
        if (backend_) backend_->barrier(c10d::BarrierOptions());
        may_abort_ = false;
        backend_.reset();
        session_.reset();
    }

    void abort() noexcept override {
        if (!may_abort_) return;
        try {
            // MPI_Abort may wait for mpirun's daemon; nobody waits for this thread.
            std::thread([] { MPI_Abort(MPI_COMM_WORLD, 1); }).detach();
        } catch (const std::system_error&) {
            // No thread to be had. mpirun ends the others when this process ends without
            // MPI_Finalize, which is what the caller is about to do.
        }
    }

  private:
    std::shared_ptr<Session> session_;
    /// The thread that aborts is another one, which may not look at what shutdown() takes away.
    std::atomic<bool> may_abort_{false};
    c10::intrusive_ptr<MpiBackend> backend_;
};

}  // namespace ailab::mpi

AILAB_PLUGIN("mpi", AILAB_VERSION, "Communication by MPI")
AILAB_REGISTER_AS(Backend, ailab::mpi::MpiModule, "mpi", "MPI: over any network that it supports")
