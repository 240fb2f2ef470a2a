#include "session.hpp"

#include <dlfcn.h>
#include <mpi.h>

#include "ailab/error.hpp"
#include "ailab/log.hpp"
#include "ailab/support/signals_blocked.hpp"
#include "network.hpp"
#include "types.hpp"

namespace ailab::mpi {
namespace {

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

std::shared_ptr<Session> Session::get() {
    static std::weak_ptr<Session> present;
    std::shared_ptr<Session> session = present.lock();
    if (!session) present = session = std::shared_ptr<Session>(new Session);
    return session;
}

Session::Session() {
    int running = 0;
    check(MPI_Initialized(&running), "MPI_Initialized");
    if (running) return;
    make_mpi_global();
    leave_out_tcp_on_one_host();
    avoid_small_shared_memory();
    leave_out_what_seccomp_forbids();
    const SignalsBlocked blocked;  // MPI's own threads must not take those the job waits for
    // One thread at a time, and not always the same.
    int given = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &given), "MPI_Init_thread");
    started_here_ = true;
    if (given < MPI_THREAD_SERIALIZED)
        throw Error(
            "mpi: this MPI allows calls of one thread alone, and the backend needs "
            "MPI_THREAD_SERIALIZED; set dist.backend to gloo or shm");
}

Session::~Session() {
    if (started_here_) MPI_Finalize();  // the process ends next: nobody could use an error
}

}  // namespace ailab::mpi
