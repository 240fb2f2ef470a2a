#pragma once
// The few socket calls that the job's control channel needs.
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ailab::dist {

using Clock = std::chrono::steady_clock;

/// Owns a file descriptor.
class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept;
    ~Fd() { reset(); }
    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }
    void reset();
    explicit operator bool() const { return fd_ >= 0; }

  private:
    int fd_ = -1;
};

struct Listener {
    Fd fd;
    uint16_t port = 0;
};

/// Listens on 127.0.0.1 or on all addresses; port 0 takes a free one. Throws Error when it is
/// taken.
Listener listen_on(uint16_t port, bool loopback_only);

/// One attempt over all addresses that `host` has. An empty Fd and the reason in `why` when none
/// answers before `deadline`.
Fd connect_to(const std::string& host, uint16_t port, Clock::time_point deadline, std::string& why);

/// Why no address is known for `host`, or "".
std::string why_unknown(const std::string& host);

/// The name of this host without its domain, for messages.
std::string host_name();
/// Equal for two processes exactly when they share a machine, its network and its /dev/shm.
std::string host_id();
/// Addresses under which other hosts may reach this one, the likeliest first.
std::vector<std::string> reachable_addresses();

int milliseconds_until(Clock::time_point deadline);

}  // namespace ailab::dist
