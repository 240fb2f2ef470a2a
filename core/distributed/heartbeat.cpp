#include "heartbeat.hpp"

#include <algorithm>
#include <mutex>
#include <set>

#include "ailab/error.hpp"
#include "host/pieces_written.hpp"

namespace ailab {

const char* lasting_text(const std::string& text) {
    static std::mutex mutex;
    static auto* const texts = new std::set<std::string>;  // read until the process is gone
    const std::lock_guard lock(mutex);
    return texts->insert(text).first->c_str();
}

}  // namespace ailab

namespace ailab::dist {

std::string Beat::position() const {
    if (phase == "start") return phase;
    return concat(phase, ", epoch ", epoch, ", iter ", iter, ", step ", step);
}

std::string Beat::describe() const {
    return doing.empty() ? position() : concat(position(), ", ", doing);
}

Beat BeatCell::read() const {
    const Heartbeat now = get();
    Beat beat;
    beat.phase = now.phase;
    beat.epoch = now.epoch;
    beat.iter = now.iter;
    beat.step = now.step;
    beat.doing = doing_.load(std::memory_order_relaxed);
    if (const char* hook = hook_.load(std::memory_order_relaxed))
        beat.doing = concat("hook \"", hook, "\", ", beat.doing);
    return beat;
}

std::chrono::milliseconds Standstill::Seen::age(uint64_t number_now, Clock::time_point now) {
    if (number != number_now) {
        number = number_now;
        since = now;
    }
    return std::chrono::duration_cast<std::chrono::milliseconds>(now - since);
}

Beat Standstill::look(Clock::time_point now) {
    Beat beat = beat_.read();
    const auto main = InCollective::now(InCollective::Thread::main);
    const auto saver = InCollective::now(InCollective::Thread::saver);
    beat.still = work_.age(
        beat_.changes() + main.number + pieces_written().load(std::memory_order_relaxed), now);
    const auto main_waits = main_wait_.age(main.number, now);
    const auto saver_waits = saver_wait_.age(saver.number, now);
    if (saver.what) {
        beat.waits_in = saver.what;
        beat.waits = saver_waits;
    }
    if (main.what) {
        beat.waits_in = main.what;
        beat.waits = main_waits;
    }
    return beat;
}

void Standstill::excuse(Clock::duration pause) {
    for (Seen* seen : {&work_, &main_wait_, &saver_wait_}) seen->since += pause;
}

}  // namespace ailab::dist
