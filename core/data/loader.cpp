// The queue between the threads that make batches and the main thread that takes them.
#include "loader.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "ailab/log.hpp"
#include "batch_maker.hpp"
#include "host/mapped_memory.hpp"
#include "support/start_thread.hpp"

namespace ailab {

namespace {

/// Whole batches are quick to make, so that waking a thread for each would cost as much: a thread
/// makes several at a time, and rests until most of them are taken. As many as lie well in the
/// cache.
constexpr int64_t ahead_bytes = 1 << 20;
constexpr int64_t most_ahead = 8;

int64_t bytes_of(const Batch& batch) {
    int64_t bytes = 0;
    for (const auto& [name, field] : batch.fields)
        if (const auto* tensor = std::get_if<Tensor>(&field); tensor && tensor->defined())
            bytes += int64_t(tensor->nbytes());
    return std::max<int64_t>(1, bytes);
}

/// A sample that nobody wants any more is given so long to come, so that its thread ends in order.
constexpr std::chrono::seconds patience_at_the_end{5};

/// A thread that was left behind still uses what destructors at the process's end would take away.
void end_without_destructors() {
    on_exit(
        [](int status, void*) {
            std::fflush(nullptr);
            ::_exit(status);
        },
        nullptr);
}

}  // namespace

struct Loader::State : std::enable_shared_from_this<Loader::State> {
    explicit State(LoaderOptions options) : maker(std::move(options)) {
        ahead = maker.options().prefetch;
        rest_until = ahead - 1;
    }

    /// Ends the threads. They hold this, so that one which hangs can be left behind.
    void end() {
        std::unique_lock lock(mutex);
        stopping = true;
        for (const auto& progress : under_way) progress->call_off();
        work.notify_all();
        const bool ended =
            available.wait_for(lock, gave_up ? std::chrono::seconds(0) : patience_at_the_end,
                               [this] { return running == 0; });
        lock.unlock();
        for (std::thread& thread : threads) ended ? thread.join() : thread.detach();
        if (ended) return;
        if (!gave_up)
            log_warning(maker.options().name,
                        ": a sample that nobody waits for any more has not come; the thread that "
                        "reads it is left behind");
        end_without_destructors();
    }

    /// A thread that counts as running until `body` is over.
    void start_one(const std::function<void(MakeProgress&)>& body) {
        auto progress = std::make_shared<MakeProgress>();
        auto self = shared_from_this();
        {
            const std::lock_guard lock(mutex);
            ++running;
            under_way.push_back(progress);
        }
        try {
            threads.push_back(start_thread("ailab-loader", [self, body, progress] {
                const SignalStack signal_stack;  // datasets are plugins' code
                body(*progress);
                const std::lock_guard lock(self->mutex);
                --self->running;
                self->available.notify_all();
            }));
        } catch (...) {
            const std::lock_guard lock(mutex);
            --running;
            under_way.pop_back();
            throw;
        }
    }

    void start() {
        has_started = true;
        const int wanted = maker.options().workers;
        for (int i = 0; i < wanted; ++i) {
            try {
                start_one([this](MakeProgress& progress) { run(progress); });
            } catch (const std::system_error& error) {
                const std::string what =
                    concat(maker.options().name, ": only ", i, " of ", wanted,
                           " loader threads can be started: ", error.code().message(),
                           ". Set a lower num_workers, or a higher limit (ulimit -u)");
                if (i == 0) throw Error(what);
                log_warning(what);
                return;
            }
        }
    }

    void run(MakeProgress& progress) {
        std::unique_lock lock(mutex);
        for (;;) {
            if (started >= taken + ahead) resting = true;
            work.wait(lock, [&] { return stopping || !resting; });
            if (stopping) return;
            if (started >= taken + ahead) continue;
            const int64_t number = started++;
            Batch reused;
            if (!pool.empty()) {
                reused = std::move(pool.back());
                pool.pop_back();
            }
            lock.unlock();
            MadeBatch made = maker.make(number, std::move(reused), &progress);
            lock.lock();
            if (number == first && maker.options().whole_batches()) {
                ahead = std::max(ahead, std::min(most_ahead, ahead_bytes / bytes_of(made.batch)));
                rest_until = ahead / 4;
            }
            if (!made.spare.fields.empty()) pool.push_back(std::move(made.spare));
            ready.emplace(number, std::move(made));
            if (number == taken) available.notify_one();
        }
    }

    MadeBatch take() {
        if (!has_started) start();
        std::unique_lock lock(mutex);
        wait(lock, taken, [&] { return ready.count(taken) != 0; });
        auto node = ready.extract(taken);
        ++taken;
        const bool wake = resting && started <= taken + rest_until;
        if (wake) resting = false;
        lock.unlock();
        if (wake) work.notify_all();
        return std::move(node.mapped());
    }

    /// Made by a thread of its own, which can be waited for as for the others.
    MadeBatch make_apart(int64_t number) {
        const auto made = std::make_shared<std::optional<MadeBatch>>();
        start_one([this, number, made](MakeProgress& progress) {
            MadeBatch one = maker.make(number, Batch(), &progress);
            const std::lock_guard lock(mutex);
            *made = std::move(one);
            available.notify_all();
        });
        std::unique_lock lock(mutex);
        wait(lock, number, [&] { return made->has_value(); });
        lock.unlock();
        threads.back().join();
        threads.pop_back();
        under_way.pop_back();
        return std::move(**made);
    }

    /// Until batch `number` is there. Throws Error when a sample of it does not come.
    template <class There>
    void wait(std::unique_lock<std::mutex>& lock, int64_t number, const There& there) {
        SampleWait wait(maker.options());
        while (!available.wait_for(lock, SampleWait::interval, there)) {
            std::shared_ptr<const MakeProgress> progress;
            for (const auto& one : under_way)
                if (one->batch() == number) progress = one;
            lock.unlock();  // the sample's name is the dataset's to tell
            try {
                wait.look(progress.get());
            } catch (...) {
                gave_up = true;
                throw;
            }
            lock.lock();
        }
    }

    /// Counts what was left out of batch `number`.
    void count(int64_t number, MadeBatch& made) {
        times.add(made.times);
        const int64_t epoch = number / maker.iterations();
        if (std::exchange(counted_epoch, epoch) != epoch) left_out_in_epoch = 0;
        std::string last;
        for (const SampleFault& fault : made.faults) {
            if (fault.used) continue;
            ++left_out_in_epoch;
            last = fault.reason;
        }
        faults.add(made.assigned, std::move(made.faults));
        const LoaderOptions& options = maker.options();
        if (last.empty() || left_out_in_epoch <= options.max_errors) return;
        throw Error(concat(options.name, ": ", left_out_in_epoch,
                           " samples of this epoch cannot be used, and ", options.name,
                           "_dataloader.max_errors is ", options.max_errors,
                           ". The last of them: ", last));
    }

    BatchMaker maker;

    // Of the main thread.
    int64_t counted_epoch = -1;
    int64_t left_out_in_epoch = 0;
    SampleFaults faults;
    StageTimes times;
    std::vector<std::thread> threads;
    bool has_started = false;
    bool gave_up = false;  // waiting for a sample

    std::mutex mutex;
    std::condition_variable work;       // enough places in the queue are free
    std::condition_variable available;  // the batch that is waited for is there, or a thread ended
    std::vector<std::shared_ptr<MakeProgress>> under_way;  // of each thread
    int running = 0;                                       // threads
    std::map<int64_t, MadeBatch> ready;                    // by number in the endless stream
    std::vector<Batch> pool;
    int64_t first = 0;
    int64_t started = 0;     // the next number that a worker takes
    int64_t taken = 0;       // the next number that next() returns
    int64_t ahead = 0;       // batches to be ready or under way
    int64_t rest_until = 0;  // so few of them
    bool resting = false;
    bool stopping = false;
};

Loader::Loader(LoaderOptions options) : state_(std::make_shared<State>(std::move(options))) {}
Loader::~Loader() {
    state_->end();
}

Batch Loader::next() {
    const int64_t number = state_->taken;
    MadeBatch made = state_->take();
    if (made.error) std::rethrow_exception(made.error);
    state_->count(number, made);
    return std::move(made.batch);
}

void Loader::seek(int64_t epoch, int64_t iteration) {
    State& s = *state_;
    if (s.has_started) throw Error("Loader::seek() after the first next()");
    s.taken = s.started = s.first = epoch * s.maker.iterations() + iteration;
}

void Loader::recycle(Batch batch) {
    std::lock_guard lock(state_->mutex);
    if (state_->pool.size() <= size_t(state_->ahead)) state_->pool.push_back(std::move(batch));
}

Batch Loader::preview(int64_t iteration) const {
    MadeBatch made = state_->make_apart(epoch() * plan().iterations() + iteration);
    if (made.error) std::rethrow_exception(made.error);
    return std::move(made.batch);
}

BatchPlan::Slice Loader::slice(int64_t ahead) const {
    return state_->maker.slice(state_->taken + ahead);
}

const LoaderOptions& Loader::options() const {
    return state_->maker.options();
}
const BatchPlan& Loader::plan() const {
    return options().plan;
}
int64_t Loader::epoch() const {
    return plan().iterations() ? state_->taken / plan().iterations() : 0;
}
int64_t Loader::iteration() const {
    return plan().iterations() ? state_->taken % plan().iterations() : 0;
}

SampleFaults Loader::take_faults() {
    return std::exchange(state_->faults, {});
}
StageTimes Loader::take_times() {
    return std::exchange(state_->times, {});
}

}  // namespace ailab
