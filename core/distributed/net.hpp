#pragma once
// The few socket calls that the job's control channel needs.
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "ailab/support/file_descriptor.hpp"

namespace ailab::dist {

using Clock = std::chrono::steady_clock;

/// Sockets that listen at one port of some of this host's addresses.
struct Listener {
    std::vector<FileDescriptor> sockets;
    uint16_t port = 0;
};

/// Listens on these numeric addresses, never on all there are; port 0 takes one that is free on
/// each. Throws Error when the port is taken.
Listener listen_on(const std::vector<std::string>& addresses, uint16_t port);

/// Where a rank listens for others of `host`, a name or address of this host: on those of its
/// addresses that are this host's. When they say nothing (a loopback, as Debian has it for its own
/// name, or that of a gateway) on each address of this host.
std::vector<std::string> listening_addresses(const std::string& host);

/// One attempt over all addresses that `host` has. An empty FileDescriptor and the reason in `why`
/// when none answers before `deadline`.
FileDescriptor connect_to(const std::string& host, uint16_t port, Clock::time_point deadline,
                          std::string& why);

/// Why no address is known for `host`, or "".
std::string why_unknown(const std::string& host);

/// The name of this host without its domain, for messages.
std::string host_name();
/// Equal for two processes exactly when they share a machine, its network and its /dev/shm.
std::string host_id();
inline const std::string loopback = "127.0.0.1";
bool is_loopback(const std::string& address);
/// This host's numeric addresses on its networks, the likeliest first; no loopback.
std::vector<std::string> own_addresses();
/// Under which numeric address of this host the socket is connected.
std::string local_address(int fd);

int milliseconds_until(Clock::time_point deadline);

}  // namespace ailab::dist
