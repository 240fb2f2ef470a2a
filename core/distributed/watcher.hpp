#pragma once
// The thread that watches the other ranks, beside whatever the main thread is doing (which may sit
// in a collective for ever). Rank 0 runs a Hub, every other rank a Spoke connected to it.
#include <poll.h>
#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "heartbeat.hpp"
#include "last_words.hpp"
#include "member.hpp"
#include "net.hpp"
#include "signals.hpp"

namespace ailab::dist {

/// How long each part of ending a job may take.
struct EndTimes {
    /// A failed collective is mostly a consequence: so long the cause may come in.
    static constexpr std::chrono::milliseconds secondary{500};
    /// A launcher sends SIGTERM to all when one rank died: so long that rank's message may come in.
    static constexpr std::chrono::milliseconds signal{300};
    /// All ranks find the same configuration error: so long to hear it from all of them.
    static constexpr std::chrono::milliseconds same_error{500};
    /// What rank 0 gives the others to be gone, and they give rank 0 to answer.
    static constexpr std::chrono::milliseconds leave{1000};
    static constexpr std::chrono::milliseconds answer{2500};
    /// So long at least a process may take to close when the run is over.
    static constexpr std::chrono::milliseconds closing{5000};
    /// Who sends no heartbeat for so long does not answer.
    static constexpr std::chrono::milliseconds silence{1000};
};

class Watcher {
  public:
    Watcher(int rank, int world_size);
    virtual ~Watcher();
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

    BeatCell& beat() { return beat_; }
    /// Called on the way out when other ranks may still run.
    void on_abort(std::function<void()> abort);
    /// Waits until all ranks are here, and tells who they are. Ends the job at `deadline`.
    const std::vector<Member>& wait_for_members(Clock::time_point deadline);
    /// Ends the job with this message. Any thread but the watcher's own.
    [[noreturn]] void fail(const std::string& text, int status, bool secondary);
    /// Hands a warning over, to be told once with those of the other ranks. Any thread; never
    /// waits.
    void warn(const std::string& text);
    /// Waits until every rank has called this.
    void wait_for_done();
    /// Ends the job when a rank keeps others waiting for longer: it does not answer, does not come
    /// to a collective, or does not end when others have.
    void limit_waits(std::chrono::milliseconds timeout);
    /// Whether a rank that waits for others does so inside of the collective's call. With GPUs it
    /// waits wherever it needs the result.
    void see_waits(bool seen);
    /// Leaves the job in good order and ends the thread. The process is to end soon, or is ended.
    void leave();

  protected:
    /// Called by the constructor's end of the derived class: the thread uses its virtual functions.
    void start_thread();
    void stop_thread();
    /// Has the thread look at what there is to do. Any thread.
    void wake();
    /// Ends the process from the watcher's thread.
    [[noreturn]] void end_process(int status, bool others_may_run);
    Report report(const std::string& text, int status) const;
    /// What limit_waits() has set; 0: no limit yet.
    std::chrono::milliseconds limit() const;
    bool waits_are_seen() const { return waits_are_seen_; }
    /// "3.2 s (dist.timeout is 3 s)".
    std::string too_long(std::chrono::milliseconds time) const;
    void set_members(std::vector<Member> members);
    void set_all_done();

    // The thread's work. Nothing else runs on it.
    virtual void collect(std::vector<pollfd>& waits) = 0;
    virtual void handle(const pollfd& ready) = 0;
    virtual void warned_here(const std::string& text) = 0;
    /// No warning comes after these.
    virtual void tell_last_warnings() = 0;
    virtual void failed_here(Report report) = 0;
    virtual void stopped_here(int signal) = 0;
    virtual void done_here() = 0;
    virtual void leave_here() = 0;
    /// Tells the others this rank's, as it is now.
    virtual void send_beat(const Beat& own) = 0;
    /// This process was stopped for so long, and mostly the others with it: that they were not
    /// heard meanwhile means nothing.
    virtual void excuse(Clock::duration pause) = 0;
    /// Looks at the clock; returns when it wants to be called again at the latest.
    virtual Clock::time_point tick(Clock::time_point now) = 0;
    /// For the message at the joining deadline: who is missing.
    virtual std::string missing() = 0;

    const int rank_;
    const int world_size_;
    const std::string host_;
    BeatCell beat_;
    /// Set on the watcher's thread to end it.
    bool left_ = false;

  private:
    static void* thread_main(void* self);
    void loop();
    void take_mail();
    void look_at_collective(const Beat& own);

    struct Mail {
        std::vector<std::string> warnings;
        std::optional<Report> failure;
        bool done = false;
        bool leave = false;
    };

    FileDescriptor wake_;
    SignalGuard signals_;
    pthread_t thread_{};
    std::atomic<int64_t> limit_milliseconds_{0};  // 0: no limit
    std::atomic<bool> waits_are_seen_{true};
    Standstill standstill_{beat_};
    bool running_ = false;
    bool signal_seen_ = false;
    bool collective_told_ = false;
    bool fault_told_ = false;

    std::mutex mutex_;
    std::condition_variable changed_;
    Mail mail_;                    // guarded by mutex_
    std::function<void()> abort_;  // guarded by mutex_
    std::vector<Member> members_;  // guarded by mutex_; filled once
    bool all_done_ = false;        // guarded by mutex_
};

}  // namespace ailab::dist
