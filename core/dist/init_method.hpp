#pragma once
// `dist.init_method`: where the ranks find each other.
#include <cstdint>
#include <string>
#include <variant>

#include "job.hpp"

namespace ailab::dist {

/// A c10d::TCPStore at a known address.
struct StoreAddress {
    std::string host;
    uint16_t port = 0;
    /// Rank 0 opens it; false when a launcher's agent did.
    bool rank0_serves = true;
    /// Before every key, where a store outlives a job.
    std::string prefix;
    /// Which setting it comes from, for messages.
    std::string source;
};

/// Rank 0 opens a store on a free port and publishes its address in this file.
struct AddressFile {
    std::string path;
    /// Told apart from files of other jobs by this text.
    std::string key;
    std::string source;
};

/// mpirun over several hosts: rank 0 opens a store, and its address goes over MPI.
struct AddressByBroadcast {};

using MeetingPlace = std::variant<StoreAddress, AddressFile, AddressByBroadcast>;

/// Reads `init_method` ("env://", "tcp://host:port", "file:///path") and, for env://, the
/// environment. Throws ConfigError.
MeetingPlace meeting_place(const std::string& init_method, const Placement& placement);

/// The first host of a Slurm node list: "node[07-09,12],gpu1" gives "node07".
std::string first_slurm_host(const std::string& nodes);

}  // namespace ailab::dist
