#pragma once
#include <c10/core/ScalarType.h>
#include <mpi.h>

#include "collectives/reduce.hpp"

namespace ailab::mpi {

/// Throws Error with MPI's own text.
void check(int status, const char* call);

/// The type that elements of a tensor are reduced as.
MPI_Datatype datatype(c10::ScalarType type);

/// Operations by element type: MPI's own where it has one, else made of our loops (float16,
/// bfloat16 and bool, and min and max of floats, so that NaN survives). `avg` gives the sum. Lives
/// between MPI_Init and MPI_Finalize.
class Operations {
  public:
    Operations();
    ~Operations();
    Operations(const Operations&) = delete;
    Operations& operator=(const Operations&) = delete;

    MPI_Op get(c10::ScalarType type, collectives::Reduction reduction) const;

  private:
    static constexpr int own_types = 5;
    static constexpr int reductions = 8;
    MPI_Op own_[own_types][reductions];
};

}  // namespace ailab::mpi
