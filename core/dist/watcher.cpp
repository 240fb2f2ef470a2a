#include "watcher.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "ailab/error.hpp"
#include "collective.hpp"

namespace ailab::dist {
namespace {

constexpr size_t stack_size = 256 << 10;
/// Often enough to tell what a killed rank did last, seldom enough to cost nothing.
constexpr std::chrono::milliseconds beat_interval{250};

Fd make_eventfd() {
    Fd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!fd) throw Error(concat("eventfd failed: ", std::strerror(errno)));
    return fd;
}

}  // namespace

Watcher::Watcher(int rank, int world_size)
    : rank_(rank),
      world_size_(world_size),
      host_(host_name()),
      wake_(make_eventfd()),
      signals_(wake_.get(), /*speaks=*/rank == 0) {}

Watcher::~Watcher() {
    stop_thread();
}

void Watcher::start_thread() {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_size);
    int error = pthread_create(&thread_, &attributes, thread_main, this);
    if (error == EINVAL)  // thread-local storage of the loaded libraries needs more
        error = pthread_create(&thread_, nullptr, thread_main, this);
    pthread_attr_destroy(&attributes);
    if (error != 0) throw Error(concat("cannot start a thread: ", std::strerror(error)));
    running_ = true;
    pthread_setname_np(thread_, "ailab-watcher");
}

void Watcher::stop_thread() {
    if (!running_) return;
    {
        const std::lock_guard lock(mutex_);
        mail_.leave = true;
    }
    wake();
    pthread_join(thread_, nullptr);
    running_ = false;
}

void Watcher::wake() {
    const uint64_t one = 1;
    // It can only fail when the counter is full, and then the thread is awake already.
    (void)!::write(wake_.get(), &one, sizeof one);
}

void Watcher::on_abort(std::function<void()> abort) {
    const std::lock_guard lock(mutex_);
    abort_ = std::move(abort);
}

const std::vector<RankInfo>& Watcher::wait_for_members(Clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    if (changed_.wait_until(lock, deadline, [this] { return !members_.empty(); })) return members_;
    lock.unlock();
    fail(missing(), 1, false);
}

void Watcher::fail(const std::string& text, int status, bool secondary) {
    Report mine = report(text, status);
    mine.secondary = secondary;
    {
        const std::lock_guard lock(mutex_);
        if (!mail_.failure) mail_.failure = mine;
    }
    wake();
    // The thread ends the process; if even that fails, this thread does.
    std::this_thread::sleep_for(std::chrono::seconds(8));
    print_line(failure_line(mine));
    ::_exit(status);
}

void Watcher::warn(const std::string& text) {
    {
        const std::lock_guard lock(mutex_);
        mail_.warnings.push_back(text);
    }
    wake();
}

void Watcher::wait_for_done() {
    std::unique_lock lock(mutex_);
    mail_.done = true;
    wake();
    changed_.wait(lock, [this] { return all_done_; });
}

void Watcher::leave() {
    stop_thread();
}

void Watcher::watch_parent() {
    parent_ = ::getppid();
}

void Watcher::limit_collectives(std::chrono::milliseconds timeout) {
    collective_milliseconds_ = timeout.count();
}

/// MPI's calls know no time. Other backends end by themselves, and say more.
void Watcher::look_at_collective() {
    constexpr std::chrono::milliseconds first_word{1000};  // the backend's
    const std::chrono::milliseconds limit(collective_milliseconds_.load());
    if (limit.count() == 0 || InCollective::lasted() < limit + first_word) return;
    collective_milliseconds_ = 0;
    failed_here(report(concat("a collective has not ended within ", double(limit.count()) / 1000,
                              " s (dist.timeout): another rank does not come to it"),
                       1));
}

void Watcher::end_process(int status, bool others_may_run) {
    std::vector<std::string> warnings;
    {
        const std::lock_guard lock(mutex_);
        warnings.swap(mail_.warnings);
    }
    for (const std::string& text : warnings) warned_here(text);
    tell_last_warnings();
    if (others_may_run) {
        std::function<void()> abort;
        {
            const std::lock_guard lock(mutex_);
            abort = abort_;
        }
        if (abort) abort();
    }
    // Not exit(): other threads still run, and destructors would wait for ranks that are gone.
    ::_exit(status);
}

Report Watcher::report(const std::string& text, int status) const {
    return {.rank = rank_, .host = host_, .beat = beat_.read(), .text = text, .status = status};
}

void Watcher::set_members(std::vector<RankInfo> members) {
    const std::lock_guard lock(mutex_);
    members_ = std::move(members);
    changed_.notify_all();
}

void Watcher::set_all_done() {
    const std::lock_guard lock(mutex_);
    all_done_ = true;
    changed_.notify_all();
}

void* Watcher::thread_main(void* self) {
    unblock_stop_signals();
    static_cast<Watcher*>(self)->loop();
    return nullptr;
}

void Watcher::take_mail() {
    Mail mail;
    {
        const std::lock_guard lock(mutex_);
        mail = std::exchange(mail_, {});
    }
    for (const std::string& text : mail.warnings) warned_here(text);
    if (mail.failure) failed_here(std::move(*mail.failure));
    if (const char* fault = mapped_memory_fault(); fault && !std::exchange(fault_told_, true))
        failed_here(report(fault, 1));
    if (mail.done) done_here();
    if (mail.leave) leave_here();
    if (const int signal = stop_requested(); signal && !signal_seen_) {
        signal_seen_ = true;
        // A run that looks at stop requests by itself ends in good order, and says so.
        if (!graceful_stop()) stopped_here(signal);
    }
}

void Watcher::loop() {
    Clock::time_point next_beat = Clock::now();
    std::vector<pollfd> waits;
    while (!left_) {
        Clock::time_point now = Clock::now();
        if (now >= next_beat) {
            if (const pid_t parent = parent_.exchange(0); parent != 0) {
                if (::getppid() != parent)
                    failed_here(report("the launcher that started this rank is gone", 1));
                else
                    parent_ = parent;
            }
            look_at_collective();
            send_beat();
            next_beat = now + beat_interval;
        }
        const Clock::time_point wanted = std::min(tick(now), next_beat);
        if (left_) break;
        waits.assign(1, {wake_.get(), POLLIN, 0});
        collect(waits);
        if (::poll(waits.data(), waits.size(), milliseconds_until(wanted)) < 0 && errno != EINTR) {
            print_line(failure_line(report(concat("poll failed: ", std::strerror(errno)), 1)));
            end_process(1, true);
        }
        uint64_t count = 0;
        (void)!::read(wake_.get(), &count, sizeof count);
        // What came over the network first: a failure told there explains a signal that came here.
        for (size_t i = 1; i < waits.size(); ++i)
            if (waits[i].revents != 0) handle(waits[i]);
        take_mail();
    }
    tell_last_warnings();
}

}  // namespace ailab::dist
