#include "agent_store.hpp"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <functional>
#include <future>
#include <memory>
#include <thread>

#include "ailab/error.hpp"
#include "ailab/signals_blocked.hpp"

namespace ailab::dist {
namespace {

using std::chrono::milliseconds;

const std::string meeting_key = "ailab/meeting";
constexpr std::chrono::seconds answer_within_limit{5};

/// Calls it with the agent's store. Nothing, and the reason in `why`, when nobody listens there, or
/// what does is no store: c10d waits for its answer without a limit, so a thread of its own does.
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
    auto work = std::make_shared<std::packaged_task<std::string()>>([place, timeout, call] {
        c10d::TCPStoreOptions options;
        options.port = place.port;
        options.waitWorkers = false;
        options.timeout = timeout;
        c10d::PrefixStore store(place.prefix,
                                c10::make_intrusive<c10d::TCPStore>(place.host, options));
        return call(store);
    });
    std::future<std::string> answer = work->get_future();
    {
        const SignalsBlocked blocked;
        std::thread([work] { (*work)(); }).detach();
    }
    if (answer.wait_until(soon) != std::future_status::ready) {
        why = concat(where, ": no answer (another program may hold that port)");
        return std::nullopt;
    }
    try {
        return answer.get();
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
