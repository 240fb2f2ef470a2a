#include "ailab/background.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "support/start_thread.hpp"

namespace ailab {

namespace {

// Waking a thread costs the one that wakes it tens of microseconds on a virtual machine. So the
// thread looks by itself, and sleeps until it is woken only after a second without work.
constexpr std::chrono::milliseconds interval{4};
constexpr int idle_looks = 250;

}  // namespace

struct Background::State {
    ~State() {
        {
            const std::lock_guard lock(mutex);
            stopping = true;
        }
        changed.notify_all();
        if (thread.joinable()) thread.join();
    }

    void run() {
        std::unique_lock lock(mutex);
        for (int idle = 0;;) {
            if (!tasks.empty()) {
                idle = 0;
                const std::function<void()> task = std::move(tasks.front());
                tasks.pop_front();
                working = true;
                lock.unlock();
                std::exception_ptr thrown;
                try {
                    task();
                } catch (...) {
                    thrown = std::current_exception();
                }
                lock.lock();
                working = false;
                if (thrown && !error) error = thrown;
                if (tasks.empty()) done.notify_all();
                continue;
            }
            if (stopping) return;
            if (++idle <= idle_looks) {
                changed.wait_for(lock, interval);
                continue;
            }
            asleep = true;
            changed.wait(lock, [&] { return stopping || !tasks.empty(); });
            asleep = false;
        }
    }

    void rethrow() {
        if (error) std::rethrow_exception(std::exchange(error, nullptr));
    }

    std::mutex mutex;
    std::condition_variable changed;  // for the thread
    std::condition_variable done;     // for finish()
    std::deque<std::function<void()>> tasks;
    std::exception_ptr error;
    bool working = false;
    bool asleep = false;
    bool stopping = false;
    std::thread thread;
};

Background::Background() : state_(std::make_unique<State>()) {}
Background::~Background() = default;

void Background::post(std::function<void()> task) {
    State& s = *state_;
    std::unique_lock lock(s.mutex);
    s.rethrow();
    // First: where no thread is to be had, finish() would wait for the task for good.
    if (!s.thread.joinable()) s.thread = start_thread("ailab-writer", [&s] { s.run(); });
    s.tasks.push_back(std::move(task));
    const bool wake = s.asleep;
    lock.unlock();
    if (wake) s.changed.notify_one();
}

void Background::finish() {
    State& s = *state_;
    std::unique_lock lock(s.mutex);
    if (!s.tasks.empty()) s.changed.notify_one();
    s.done.wait(lock, [&] { return s.tasks.empty() && !s.working; });
    s.rethrow();
}

}  // namespace ailab
