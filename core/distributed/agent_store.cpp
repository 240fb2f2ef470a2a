#include "agent_store.hpp"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "ailab/error.hpp"
#include "ailab/support/signals_blocked.hpp"

namespace ailab::dist {
namespace {

using std::chrono::milliseconds;

const std::string meeting_key = "ailab/meeting";
/// Of clients that come at the same moment the store's server now and then leaves one waiting,
/// until another comes or it asks again, after 5 seconds (LibTorch 2.11).
constexpr std::chrono::seconds answer_within_limit{8};
constexpr milliseconds another_after{400};
constexpr int most_clients = 4;

/// Calls it with the agent's store. Nothing, and the reason in `why`, when nobody listens there, or
/// what does is no store: c10d waits for its answer without a limit, so threads of their own do,
/// of which the first answer counts. The call must be one that may be made several times.
std::optional<std::string> at_agent(const AgentStore& place, milliseconds timeout,
                                    Clock::time_point deadline, std::string& why,
                                    std::function<std::string(c10d::Store&)> call) {
    const std::string where = concat(place.host, ":", place.port);
    const auto soon = std::min(deadline, Clock::now() + answer_within_limit);
    // TCPStore itself would sleep a second after a connection that came too early, and warn.
    if (!connect_to(place.host, place.port, soon, why)) {
        why = concat(where, ": ", why);
        return std::nullopt;
    }
    struct Answer {
        std::promise<std::string> promise;
        std::atomic<bool> given = false;
    };
    const auto answer = std::make_shared<Answer>();
    std::future<std::string> future = answer->promise.get_future();
    const auto ask = [place, timeout, call, answer] {
        c10d::TCPStoreOptions options;
        options.port = place.port;
        options.waitWorkers = false;
        options.timeout = timeout;
        try {
            c10d::PrefixStore store(place.prefix,
                                    c10::make_intrusive<c10d::TCPStore>(place.host, options));
            std::string text = call(store);
            if (!answer->given.exchange(true)) answer->promise.set_value(std::move(text));
        } catch (...) {
            if (!answer->given.exchange(true))
                answer->promise.set_exception(std::current_exception());
        }
    };
    bool is_there = false;
    for (int client = 0; client < most_clients && !is_there; ++client) {
        {
            const SignalsBlocked blocked;
            std::thread(ask).detach();
        }
        const auto until = client + 1 < most_clients ? Clock::now() + another_after : soon;
        is_there = future.wait_until(std::min(soon, until)) == std::future_status::ready;
    }
    if (!is_there) {
        why = concat(where, ": no answer (another program may hold that port)");
        return std::nullopt;
    }
    try {
        return future.get();
    } catch (const c10::Error& error) {
        why = concat(where, ": ", error.what_without_backtrace());
        return std::nullopt;
    }
}

}  // namespace

void show_at_agent(const AgentStore& place, const std::string& meeting, milliseconds timeout,
                   Clock::time_point deadline) {
    std::string why;
    const auto set = [meeting](c10d::Store& store) {
        store.set(meeting_key, meeting);
        return std::string();
    };
    if (!at_agent(place, timeout, deadline, why, set))
        throw Error(
            concat("rank 0 cannot use the store of torchrun's agent (", place.source, "): ", why));
}

std::optional<std::string> look_at_agent(const AgentStore& place, milliseconds timeout,
                                         Clock::time_point deadline, std::string& why) {
    const auto get = [](c10d::Store& store) {
        return store.check({meeting_key}) ? store.get_to_str(meeting_key) : std::string();
    };
    std::optional<std::string> meeting = at_agent(place, timeout, deadline, why, get);
    if (!meeting || !meeting->empty()) return meeting;
    why = concat("nothing about this job in the store at ", place.host, ":", place.port);
    return std::nullopt;
}

}  // namespace ailab::dist
