#pragma once
#include <map>
#include <memory>
#include <utility>

#include "ailab/background.hpp"
#include "frames.hpp"
#include "warnings.hpp"
#include "watcher.hpp"

namespace ailab::dist {

/// Rank 0's watcher: the others connect to it. It alone prints, and it tells everybody when to end.
class Hub final : public Watcher {
  public:
    /// `nonce` tells this job from any other that listened on the same port.
    Hub(int world_size, uint64_t nonce, bool loopback_only);
    ~Hub() override { stop_thread(); }
    uint16_t port() const { return listener_.port; }

  private:
    struct Peer {
        Connection connection;
        int rank = -1;  // until its hello came
        RankInfo member;
        Beat beat;
        Clock::time_point heard;
        bool failed = false;
        bool done = false;
        bool goodbye = false;
    };

    /// Why the job ends: the weightiest report that came in until `when`.
    struct Verdict {
        int weight = 0;
        Report report;
        std::string line;
        Clock::time_point when;
    };

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

    void accept_all();
    void take(Peer& peer, const Frame& frame);
    void take_hello(Peer& peer, PayloadReader reader);
    void welcome_all();
    void gone(Peer& peer);
    void judge_failure(Report report);
    void judge_signal(Report report);
    void judge(Verdict verdict);
    /// What the verdict says when a rank keeps the others waiting.
    using Keeper = std::pair<Report, std::string>;
    std::optional<Keeper> find_silent(Clock::time_point now, std::chrono::milliseconds least) const;
    std::optional<Keeper> find_still(std::chrono::milliseconds least) const;
    std::optional<Keeper> find_late(Clock::time_point now) const;
    void look_for_keepers(Clock::time_point now);
    void end_job();
    void check_done();
    void print_warnings(const std::vector<std::string>& lines);
    Peer* find(int rank);
    int present() const;
    void send_all(FrameType type, const std::string& payload = {});

    const uint64_t nonce_;
    const Listener listener_;
    std::vector<std::unique_ptr<Peer>> peers_;
    std::map<int, std::string> config_errors_;  // by rank
    std::optional<Verdict> verdict_;
    bool welcomed_ = false;
    Beat own_beat_;
    bool own_failed_ = false;
    bool own_done_ = false;
    std::optional<Clock::time_point> first_done_, closing_since_;
    bool all_done_ = false;
    bool ending_ = false;
    bool leaving_ = false;
    Clock::time_point deadline_{};  // of ending or leaving
    std::mutex joined_mutex_;
    std::vector<bool> joined_ranks_;  // guarded by joined_mutex_
    WarningCollector warnings_;
    Background printer_;  // a console that takes nothing must not stop this thread
};

}  // namespace ailab::dist
