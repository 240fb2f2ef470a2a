#pragma once

namespace ailab::mpi {

/// Ranks of one host need no network, and OpenMPI's tcp transport listens on all addresses of the
/// host: it is left out (OMPI_MCA_btl), unless the user named the transports. Before MPI_Init.
void leave_out_tcp_on_one_host();

/// Containers may forbid reading another process's memory (Docker's seccomp profile): OpenMPI would
/// try it for each message, and say so each time. It is told not to, unless the user named a way.
/// Before MPI_Init.
void leave_out_what_seccomp_forbids();

/// Ranks of one host talk through files that OpenMPI maps, 4 MB a rank in /dev/shm; where that has
/// not as many (a container's 64 MB and 16 ranks), MPI_Init would end the process. They are put
/// into TMPDIR then, unless the user named a place. Before MPI_Init.
void avoid_small_shared_memory();

}  // namespace ailab::mpi
