#include "watcher.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "ailab/error.hpp"
#include "ailab/support/number_text.hpp"
#include "modules/collective.hpp"

namespace ailab::dist {
namespace {

constexpr size_t stack_size = 256 << 10;
/// Often enough to tell what a killed rank did last, seldom enough to cost nothing.
constexpr std::chrono::milliseconds beat_interval{250};
/// Who wakes so much later than wanted was stopped (Ctrl-Z, a debugger, a laptop that slept).
constexpr std::chrono::milliseconds paused{1000};

FileDescriptor make_eventfd() {
    FileDescriptor fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!fd) throw Error(concat("eventfd failed: ", std::strerror(errno)));
    return fd;
}

/// Ends this process with `line` when it has not ended by itself by then. What hangs by then may
/// hold any lock, and the thread lives as long as the process.
void limit_exit(std::chrono::milliseconds patience, const std::string& line) {
    std::thread([patience, line] {
        unblock_stop_signals();  // a second one ends at once
        std::this_thread::sleep_for(patience);
        print_last_words(line);
        ::_exit(1);
    }).detach();
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

const std::vector<Member>& Watcher::wait_for_members(Clock::time_point deadline) {
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
    print_last_words(failure_line(mine));
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
    signals_.settle();
    const auto patience = std::max<std::chrono::milliseconds>(limit(), EndTimes::closing);
    limit_exit(patience, hanging_line(rank_, host_, beat_.read(),
                                      concat("the run is over and complete, but the process does "
                                             "not end within ",
                                             double(patience.count()) / 1000,
                                             " s: the destructor of a static object hangs")));
}

void Watcher::limit_waits(std::chrono::milliseconds timeout) {
    limit_milliseconds_ = timeout.count();
}

void Watcher::see_waits(bool seen) {
    waits_are_seen_ = seen;
}

std::chrono::milliseconds Watcher::limit() const {
    return std::chrono::milliseconds(limit_milliseconds_.load());
}

std::string Watcher::too_long(std::chrono::milliseconds time) const {
    return concat(fixed_text(double(time.count()) / 1000, 1), " s (dist.timeout is ",
                  double(limit().count()) / 1000, " s)");
}

/// MPI's calls know no time. Other backends end by themselves, and say more.
void Watcher::look_at_collective(const Beat& own) {
    constexpr std::chrono::milliseconds first_word{1000};  // the backend's
    const bool main_waits = InCollective::now(InCollective::Thread::main).what;
    if (limit().count() == 0 || !main_waits || own.waits < limit() + first_word ||
        std::exchange(collective_told_, true))
        return;
    Report mine = report(concat(own.waits_in, " has not ended within ", too_long(own.waits),
                                ": another rank does not come to it"),
                         1);
    mine.secondary = true;
    failed_here(std::move(mine));
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

void Watcher::set_members(std::vector<Member> members) {
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
        if (run_complete() && rank_ == 0 && signals_are_answered())
            print_line(complete_line(signal));
    }
}

void Watcher::loop() {
    Clock::time_point next_beat = Clock::now(), wanted = next_beat;
    std::vector<pollfd> waits;
    while (!left_) {
        const Clock::time_point now = Clock::now();
        if (now - wanted > paused) {
            standstill_.excuse(now - wanted);
            excuse(now - wanted);
        }
        if (now >= next_beat) {
            const Beat own = standstill_.look(now);
            look_at_collective(own);
            send_beat(own);
            next_beat = now + beat_interval;
        }
        wanted = std::min(tick(now), next_beat);
        if (left_) break;
        waits.assign(1, {wake_.get(), POLLIN, 0});
        collect(waits);
        int ready = ::poll(waits.data(), waits.size(), milliseconds_until(wanted));
        // A signal: what had come over the network by then is still to be seen.
        while (ready < 0 && errno == EINTR) ready = ::poll(waits.data(), waits.size(), 0);
        if (ready < 0) {
            print_last_words(
                failure_line(report(concat("poll failed: ", std::strerror(errno)), 1)));
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
