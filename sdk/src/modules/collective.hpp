#pragma once
#include <ATen/core/Tensor.h>
#include <torch/csrc/distributed/c10d/Work.hpp>

#include <chrono>
#include <cstdint>
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

/// A thread waits for other ranks while this lives. The watchers tell by it who keeps whom waiting,
/// and end the job when that lasts too long: some backends wait for ever.
class InCollective {
  public:
    /// Who waits: the main thread in a collective, or the thread that saves for what the others
    /// have saved. Each may be in one at a time.
    enum class Thread { main, saver };
    /// `what` is a literal.
    explicit InCollective(const char* what, Thread thread = Thread::main) noexcept;
    ~InCollective();
    InCollective(const InCollective&) = delete;
    InCollective& operator=(const InCollective&) = delete;

    struct State {
        const char* what = nullptr;  // nullptr: in none
        uint64_t number = 0;         // of those so far
    };
    /// Any thread.
    static State now(Thread thread) noexcept;

  private:
    const Thread thread_;
};

/// "[3] Float".
std::string describe(const at::Tensor& tensor);

/// Throws Error unless `whole` consists of `ranks` times `piece`.
void check_parts(const char* name, const at::Tensor& whole, const at::Tensor& piece, int ranks);

/// Runs `start`, which returns the Work of a collective, and waits for it. `name` is a literal
/// ("all_reduce_sum"); `what` ("all_reduce_sum of [3] float32") is called for the message only.
/// Throws CollectiveError.
template <class Start, class What>
void run_collective(const char* name, Start start, std::chrono::milliseconds timeout, What what) {
    const InCollective here(name);
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
