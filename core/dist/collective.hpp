#pragma once
#include <torch/csrc/distributed/c10d/Work.hpp>

#include <chrono>
#include <string>

#include "ailab/error.hpp"

namespace ailab::dist {

/// A collective failed or timed out. Mostly another rank is the cause.
class CollectiveError : public Error {
  public:
    explicit CollectiveError(const std::string& text);
};

/// Whether a CollectiveError was made in this process: what fails afterwards is likely its
/// consequence.
bool collective_failed() noexcept;

/// The main thread is in a collective while this lives. The watcher ends the job when it stays
/// there too long: some backends wait for ever.
class InCollective {
  public:
    InCollective() noexcept;
    ~InCollective();
    InCollective(const InCollective&) = delete;
    InCollective& operator=(const InCollective&) = delete;

    /// How long the present one has lasted; 0 outside of any. Any thread.
    static std::chrono::nanoseconds lasted() noexcept;
};

/// Runs `start`, which returns the Work of a collective, and waits for it. `what` ("all_reduce_sum
/// of [3] float32") is called for the message only. Throws CollectiveError.
template <class Start, class What>
void run_collective(Start start, std::chrono::milliseconds timeout, What what) {
    const InCollective here;
    try {
        const c10::intrusive_ptr<c10d::Work> work = start();
        if (work && !work->wait(timeout)) throw Error("it was aborted");
    } catch (const c10::Error& error) {
        throw CollectiveError(concat(what(), " failed: ", error.what_without_backtrace()));
    } catch (const std::exception& error) {
        throw CollectiveError(concat(what(), " failed: ", error.what()));
    }
}

}  // namespace ailab::dist
