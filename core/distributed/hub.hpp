#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <utility>

#include "ailab/background.hpp"
#include "handshake.hpp"
#include "store_table.hpp"
#include "warnings.hpp"
#include "watcher.hpp"

namespace ailab::dist {

/// What makes a Hub.
struct HubPlan {
    int world_size = 1;
    /// Who does not prove to know it is not let in.
    std::string secret;
    /// Tells this job from any other that listened on the same port; may be empty.
    std::string nonce;
    Listener listener;
    /// What the message about ranks that do not come advises.
    std::string hint;
    /// Of the job's store.
    std::shared_ptr<StoreTable> table;
};

/// Rank 0's watcher: the others connect to it. It alone prints, and it tells everybody when to end.
/// Until all are there it listens, and strangers may come too: each has a few seconds for the
/// handshake, a kilobyte of memory, and there are never many of them.
class Hub final : public Watcher {
  public:
    explicit Hub(HubPlan plan);
    ~Hub() override;

  private:
    struct Peer {
        Connection connection;
        std::unique_ptr<HubHandshake> handshake;  // between its hello and its proof
        int rank = -1;                            // until it joined
        Member member;
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

    void accept_one(int listener);
    void take(Peer& peer, const Frame& frame);
    void take_first_words(Peer& peer, const Frame& frame);
    void admit(Peer& peer, PayloadReader reader);
    void take_request(const Peer& peer, const std::string& payload);
    void answer_waiting_requests();
    void say_who_is_missing(Clock::time_point now);
    std::string missing_ranks();
    std::string hint() const;
    void welcome_all();
    void gone(Peer& peer);
    void judge_failure(Report report);
    void judge_signal(Report report);
    void judge(Verdict verdict);
    /// What the verdict says when a rank keeps the others waiting.
    /// Who keeps the others waiting, and the line that tells it.
    struct Keeper {
        Report report;
        std::string line;
    };
    static Keeper make_keeper(int rank, const std::string& host, const Beat& beat,
                              const std::string& text);
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

    struct WaitingRequest {
        int rank;
        NumberedRequest asked;
    };

    HubPlan plan_;
    std::vector<std::unique_ptr<Peer>> peers_;
    std::vector<WaitingRequest> waiting_requests_;
    std::atomic<bool> strangers_came_ = false;  // who did not know the secret
    Clock::time_point next_accept_{};
    Clock::time_point next_missing_word_;
    std::map<int, std::string> config_errors_;  // by rank
    std::optional<Verdict> verdict_;
    const Clock::time_point began_ = Clock::now();
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
