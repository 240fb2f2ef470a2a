#include <dlfcn.h>

#include <cstdlib>
#include <system_error>
#include <thread>

#include "ailab/ailab.hpp"
#include "mpi_backend.hpp"

namespace ailab::mpi {
namespace {

bool started_by_mpirun() {
    for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE"})
        if (std::getenv(name)) return true;
    return false;
}

/// A plugin is loaded with its own symbol scope, but MPI's components look theirs up in the global
/// one.
void make_mpi_global() {
    Dl_info info;
    if (dladdr(reinterpret_cast<void*>(&MPI_Init_thread), &info) == 0 || !info.dli_fname ||
        !dlopen(info.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD))
        log_warning(
            "mpi: cannot make MPI's symbols global; if MPI finds no components, preload it");
}

}  // namespace

class MpiModule final : public Backend {
  public:
    Availability available(const Placement&, c10::DeviceType device) const override {
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

    c10::intrusive_ptr<c10d::Backend> create(const Placement& placement,
                                             const c10::intrusive_ptr<c10d::Store>&,
                                             c10::Device) override {
        int running = 0;
        check(MPI_Initialized(&running), "MPI_Initialized");
        if (!running) {
            make_mpi_global();
            // One thread at a time, and not always the same.
            int given = 0;
            check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &given),
                  "MPI_Init_thread");
            started_ = true;
            if (given < MPI_THREAD_SERIALIZED)
                throw Error(
                    "mpi: this MPI allows calls of one thread alone, and the backend needs "
                    "MPI_THREAD_SERIALIZED; set dist.backend to gloo or shm");
        }
        backend_ = c10::make_intrusive<MpiBackend>(placement.rank, placement.world_size);
        return backend_;
    }

    void shutdown() override {
        if (!backend_) return;
        backend_->barrier(c10d::BarrierOptions());
        backend_.reset();
        if (started_) check(MPI_Finalize(), "MPI_Finalize");
        started_ = false;
    }

    void abort() noexcept override {
        if (!started_) return;
        try {
            // MPI_Abort may wait for mpirun's daemon; nobody waits for this thread.
            std::thread([] { MPI_Abort(MPI_COMM_WORLD, 1); }).detach();
        } catch (const std::system_error&) {
            // No thread to be had. mpirun ends the others when this process ends without
            // MPI_Finalize, which is what the caller is about to do.
        }
    }

  private:
    c10::intrusive_ptr<MpiBackend> backend_;
    bool started_ = false;
};

}  // namespace ailab::mpi

AILAB_PLUGIN("mpi", AILAB_VERSION, "Communication by MPI")
AILAB_REGISTER_AS(Backend, ailab::mpi::MpiModule, "mpi", "MPI: over any network that it supports")
