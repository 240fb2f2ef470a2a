// The queue between the threads that make batches and the main thread that takes them.
#include "loader.hpp"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "batch_maker.hpp"
#include "host/start_thread.hpp"

namespace ailab {

namespace {

/// Whole batches are quick to make, so that waking a thread for each would cost as much: a thread
/// makes several at a time, and rests until half of them are taken. As many as lie well in the
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

}  // namespace

struct Loader::State {
    explicit State(LoaderOptions options) : maker(std::move(options)) {
        ahead = maker.options().prefetch;
        rest_until = ahead - 1;
    }

    ~State() {
        {
            std::lock_guard lock(mutex);
            stopping = true;
        }
        work.notify_all();
        for (std::thread& thread : threads) thread.join();
    }

    void start() {
        for (int i = 0; i < maker.options().workers; ++i)
            threads.push_back(start_thread("ailab-loader", [this] { run(); }));
    }

    void run() {
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
            MadeBatch made = maker.make(number, std::move(reused));
            lock.lock();
            if (number == first && maker.options().whole_batches()) {
                ahead = std::max(ahead, std::min(most_ahead, ahead_bytes / bytes_of(made.batch)));
                rest_until = ahead / 2;
            }
            if (!made.spare.fields.empty()) pool.push_back(std::move(made.spare));
            ready.emplace(number, std::move(made));
            if (number == taken) available.notify_one();
        }
    }

    MadeBatch take() {
        std::unique_lock lock(mutex);
        if (threads.empty()) start();
        available.wait(lock, [&] { return ready.count(taken) != 0; });
        auto node = ready.extract(taken);
        ++taken;
        const bool wake = resting && started <= taken + rest_until;
        if (wake) resting = false;
        lock.unlock();
        if (wake) work.notify_all();
        return std::move(node.mapped());
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
        faults.add(made.dealt, std::move(made.faults));
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

    std::mutex mutex;
    std::condition_variable work;       // enough places in the queue are free
    std::condition_variable available;  // the batch that next() waits for is there
    std::vector<std::thread> threads;
    std::map<int64_t, MadeBatch> ready;  // by number in the endless stream
    std::vector<Batch> pool;
    int64_t first = 0;
    int64_t started = 0;     // the next number that a worker takes
    int64_t taken = 0;       // the next number that next() returns
    int64_t ahead = 0;       // batches to be ready or under way
    int64_t rest_until = 0;  // so few of them
    bool resting = false;
    bool stopping = false;
};

Loader::Loader(LoaderOptions options) : state_(std::make_unique<State>(std::move(options))) {}
Loader::~Loader() = default;

Batch Loader::next() {
    const int64_t number = state_->taken;
    MadeBatch made = state_->take();
    if (made.error) std::rethrow_exception(made.error);
    state_->count(number, made);
    return std::move(made.batch);
}

void Loader::seek(int64_t epoch, int64_t iteration) {
    State& s = *state_;
    if (!s.threads.empty()) throw Error("Loader::seek() after the first next()");
    s.taken = s.started = s.first = epoch * s.maker.iterations() + iteration;
}

void Loader::recycle(Batch batch) {
    std::lock_guard lock(state_->mutex);
    if (state_->pool.size() <= size_t(state_->ahead)) state_->pool.push_back(std::move(batch));
}

Batch Loader::preview(int64_t iteration) const {
    MadeBatch made = state_->maker.make(epoch() * plan().iterations() + iteration, Batch());
    if (made.error) std::rethrow_exception(made.error);
    return std::move(made.batch);
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
