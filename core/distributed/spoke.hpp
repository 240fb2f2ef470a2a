#pragma once
#include <deque>
#include <memory>
#include <optional>

#include "handshake.hpp"
#include "store_table.hpp"
#include "watcher.hpp"

namespace ailab::dist {

/// Where rank 0's Hub listens, as rank 0 publishes it. Nothing of it is secret.
struct Meeting {
    std::string nonce;
    std::string host_id;
    std::vector<std::string> addresses;
    uint16_t port = 0;

    std::string encode() const;
    /// Throws ProtocolError.
    static Meeting decode(const std::string& bytes);
};

/// This rank, as it joins.
struct JoiningRank {
    int rank = 0;
    int world_size = 1;
    /// Then all that listens does so on the loopback.
    bool one_host = false;
    std::string secret;
};

/// A rank that was let in.
struct Admission {
    Connection hub;
    /// Where higher ranks ask whether this one speaks when rank 0 is gone.
    Listener listener;
};

/// Proves to be of the job to what answers at this connection, and has it prove the same. Nothing,
/// and in `why` what stood against it, which may pass (the remains of an earlier job): until
/// `deadline`, or a few seconds. Does not return when the hub tells this rank to end.
std::optional<Admission> join_hub(FileDescriptor connected, const std::string& nonce,
                                  const JoiningRank& self, Clock::time_point deadline,
                                  std::string& why);

/// The watcher of every rank but 0.
class Spoke final : public Watcher {
  public:
    /// `store`'s requests go to the hub.
    Spoke(int rank, int world_size, Admission admission, std::shared_ptr<StoreClient> store);
    ~Spoke() override;

  private:
    void collect(std::vector<pollfd>& waits) override;
    void handle(const pollfd& ready) override;
    void warned_here(const std::string& text) override;
    void tell_last_warnings() override;
    void failed_here(Report report) override;
    void stopped_here(int signal) override;
    void done_here() override;
    void leave_here() override;
    void send_beat(const Beat& own) override;
    void excuse(Clock::duration pause) override;
    Clock::time_point tick(Clock::time_point now) override;
    std::string missing() override;

    void take(const Frame& frame);
    void take_welcome(const std::string& payload);
    void ask_for_end(Report report, FrameType type);
    [[noreturn]] void hub_lost();
    [[noreturn]] void hub_silent(std::chrono::milliseconds silence);
    [[noreturn]] void speak_for_hub(const std::string& line, bool others_may_run);
    /// Whether a rank between 0 and this one lives, which then prints instead.
    bool lower_rank_speaks();
    void tell_higher_ranks();

    Connection hub_;
    const Listener listener_;
    const std::shared_ptr<StoreClient> store_;
    std::vector<Member> known_;  // the thread's own copy
    Beat hub_beat_;
    Clock::time_point hub_heard_;
    std::optional<Report> pending_;  // told to the hub, which is to end the job
    Clock::time_point deadline_{};
    bool leaving_ = false;
    /// Told to the hub lately: it may be gone before it prints them.
    std::deque<std::pair<Clock::time_point, std::string>> warnings_;
};

}  // namespace ailab::dist
