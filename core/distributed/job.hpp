#pragma once
// The ranks of one run as a whole: they find each other, watch each other, and end together.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ailab/backend.hpp"
#include "ailab/comm.hpp"

namespace ailab {

/// What this rank is doing, for the message when it is gone. Cheap: called each iteration.
struct Heartbeat {
    const char* phase = "start";  // a literal
    int64_t epoch = 0;
    int64_t iter = 0;
    int64_t step = 0;
};

/// The text where it stays until the process ends, for heartbeats. For a few texts: each is kept.
const char* lasting_text(const std::string& text);

/// Rank 0's text to everyone before there is a store: how MPI can tell where rank 0 is when mpirun
/// started ranks on several hosts and no variable says it. Collective.
using TextBroadcast = std::function<std::string(const std::string&)>;

class Job : public Comm {
  public:
    /// Finds the other ranks by `init_method` and starts watching them. With one rank nothing is
    /// opened. Takes over SIGTERM and SIGINT. Throws ConfigError for a wrong init_method, Error
    /// when rank 0 cannot be found. Call it before threads are started: they inherit the blocked
    /// signals. Where the ranks share no secret (see docs/security.md) rank 0 warns, or with
    /// `require_secret` it is a ConfigError.
    static std::shared_ptr<Job> start(const RankInfo& rank_info, const std::string& init_method,
                                      double timeout_seconds, TextBroadcast broadcast = {},
                                      bool require_secret = false);
    /// Whether start() will need a broadcast: several hosts, and nothing says where rank 0 is.
    static bool needs_broadcast(const RankInfo& rank_info, const std::string& init_method);
    ~Job() override = default;

    /// The local rank and size are those of the launcher, or else as the ranks' hosts tell.
    virtual const RankInfo& rank_info() const = 0;
    virtual const c10::intrusive_ptr<c10d::Store>& store() const = 0;

    /// Goes over the store: for what happens before there is a backend. Collective.
    virtual std::vector<std::string> exchange(const std::string& key, const std::string& text) = 0;
    /// Takes the backend that all later collectives go over; nullptr for one rank.
    virtual void use(std::shared_ptr<Backend> backend, c10::Device device) = 0;
    virtual c10::intrusive_ptr<c10d::Backend> backend() const = 0;
    virtual const std::string& backend_name() const = 0;

    virtual void beat(const Heartbeat& heartbeat) noexcept = 0;
    /// What the main thread does from here on, until it says something else or beats: a literal or
    /// a lasting_text(). `hook`: whose point `what` is. Cheap: called several times an iteration.
    virtual void doing(const char* what, const char* hook = nullptr) noexcept = 0;

    /// An error on this rank: the message (one for the job) goes to rank 0, which prints it and
    /// ends every rank. Does not return. `status` is the exit status (1, or 2 for configuration:
    /// the same message from all ranks is printed as it is, one from some with rank, host and
    /// position).
    [[noreturn]] virtual void fail(const std::string& message, int status = 1) = 0;
    /// The run is over on this rank: waits for the others, shuts the backend down. From here on the
    /// run has its status: a first signal changes it no more.
    virtual void finish() = 0;
};

}  // namespace ailab
