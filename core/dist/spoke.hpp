#pragma once
#include <deque>

#include "frames.hpp"
#include "watcher.hpp"

namespace ailab::dist {

/// Where rank 0's Hub listens, as rank 0 publishes it.
struct Meeting {
    uint64_t nonce = 0;
    std::string host_id;
    std::vector<std::string> addresses;
    uint16_t port = 0;

    std::string encode() const;
    static Meeting decode(const std::string& bytes);
};

/// Says hello at a meeting point. An open connection when the hub there took this rank in; else
/// `why` says what stood against it, which may pass (the remains of an earlier job). Does not
/// return when the hub tells this rank to end.
Connection join_meeting(const Meeting& meeting, int rank, int world_size, const RankInfo& self,
                        Clock::time_point deadline, std::string& why);

/// The watcher of every rank but 0.
class Spoke final : public Watcher {
  public:
    /// `listener` is this rank's, where higher ranks ask whether it speaks when rank 0 is gone.
    Spoke(int rank, int world_size, Connection hub, Listener listener);
    ~Spoke() override { stop_thread(); }

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
    std::vector<RankInfo> known_;  // the thread's own copy
    Beat hub_beat_;
    Clock::time_point hub_heard_;
    std::optional<Report> pending_;  // told to the hub, which is to end the job
    Clock::time_point deadline_{};
    bool leaving_ = false;
    /// Told to the hub lately: it may be gone before it prints them.
    std::deque<std::pair<Clock::time_point, std::string>> warnings_;
};

}  // namespace ailab::dist
