#pragma once
// `dist.init_method`: where the ranks find each other.
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "job.hpp"

namespace ailab::dist {

/// Rank 0 listens at a known address, which other hosts may reach.
struct HubAddress {
    std::string host;
    uint16_t port = 0;
    /// Which setting it comes from, for messages.
    std::string source;
};

/// A store that torchrun's agent opened, in which rank 0 shows where it listens.
struct AgentStore {
    std::string host;
    uint16_t port = 0;
    /// Before every key: the store lives on when the agent starts the workers again.
    std::string prefix;
    std::string source;
};

/// Rank 0 shows in a file where it listens, and the secret to be known there: no other user can
/// read it.
struct AddressFile {
    /// Rank 0 takes the first that it can write, the others look at each.
    std::vector<std::string> paths;
    /// Told apart from files of other jobs by this text.
    std::string key;
    std::string source;
    /// Where rank 0 listens; 0: at any port.
    uint16_t port = 0;
    /// In a folder of the user's own (see private_folders()), which is made if need be.
    bool in_private_folder = false;
    /// All ranks are on this host: nobody listens but on the loopback.
    bool one_host = false;
};

/// mpirun over several hosts: where rank 0 listens, and the secret, go over MPI.
struct AddressByBroadcast {};

using MeetingPlace = std::variant<HubAddress, AgentStore, AddressFile, AddressByBroadcast>;

/// Reads `init_method` ("env://", "tcp://host:port", "file:///path") and, for env://, the
/// environment. Throws ConfigError.
MeetingPlace meeting_place(const std::string& init_method, const RankInfo& rank_info);

/// Where this user's programs keep what others may not see, the best first: in $XDG_RUNTIME_DIR or
/// /run/user/<uid>, else /tmp/ailab-<uid>, else /dev/shm/ailab-<uid>.
std::vector<std::string> private_folders();

/// The first host of a Slurm node list: "node[07-09,12],gpu1" gives "node07".
std::string first_slurm_host(const std::string& nodes);

}  // namespace ailab::dist
