#pragma once
#include <memory>
#include <string>

#include "job.hpp"

namespace ailab {

/// What a background thread may do with the other ranks: exchange text over the job's store, apart
/// from the collectives of the main threads. All ranks' threads must call alike. Tensors are
/// refused.
std::unique_ptr<Comm> make_store_comm(Job& job, const std::string& name);

}  // namespace ailab
