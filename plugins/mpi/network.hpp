#pragma once

namespace ailab::mpi {

/// Ranks of one host need no network, and OpenMPI's tcp transport listens on all addresses of the
/// host: it is left out (OMPI_MCA_btl), unless the user named the transports. Before MPI_Init.
void leave_out_tcp_on_one_host();

}  // namespace ailab::mpi
