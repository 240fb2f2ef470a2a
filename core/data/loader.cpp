#include "loader.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "host/start_thread.hpp"
#include "memory_format.hpp"

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

/// The order of an epoch, computed once by whichever worker needs it first; two are kept, since
/// workers run ahead into the next epoch.
class Orders {
  public:
    using Order = std::shared_ptr<const std::vector<int64_t>>;

    Order get(const LoaderOptions& options, int64_t epoch) {
        std::lock_guard lock(mutex_);
        auto found = orders_.find(epoch);
        if (found == orders_.end()) {
            auto order = std::make_shared<const std::vector<int64_t>>(
                options.sampler->order(*options.dataset, options.context.seed, epoch));
            if (int64_t(order->size()) < options.plan.samples)
                throw Error(concat("the sampler of ", options.name, " dealt ", order->size(),
                                   " numbers, and said that it deals ", options.plan.samples));
            found = orders_.emplace(epoch, std::move(order)).first;
            while (orders_.size() > 2) orders_.erase(orders_.begin());
        }
        return found->second;
    }

  private:
    std::mutex mutex_;
    std::map<int64_t, Order> orders_;
};

/// "sample 7", or "a batch of samples 7, 3, 12, …".
std::string sample_names(const std::vector<int64_t>& ids) {
    constexpr size_t most = 8;
    std::string names = concat(ids.size() == 1 ? "sample " : "a batch of samples ", ids.front());
    for (size_t i = 1; i < ids.size() && i < most; ++i) names += concat(", ", ids[i]);
    return names + (ids.size() > most ? ", …" : "");
}

[[noreturn]] void rethrow_for_sample(const LoaderOptions& options, const std::string& which) {
    try {
        throw;
    } catch (const std::exception& error) {
        throw Error(concat(options.name, ", ", which, ": ", error.what()));
    } catch (...) {
        throw Error(concat(options.name, ", ", which, ": an exception of unknown type"));
    }
}

}  // namespace

struct Loader::State {
    struct Ready {
        Batch batch;
        std::exception_ptr error;
    };

    explicit State(LoaderOptions given) : options(std::move(given)) {
        ahead = options.prefetch;
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

    void seek(int64_t epoch, int64_t iteration) {
        taken = started = first = epoch * iterations() + iteration;
    }

    int64_t iterations() const { return options.plan.iterations(); }

    void start() {
        for (int i = 0; i < options.workers; ++i)
            threads.push_back(start_thread("ailab-loader", [this] { run(); }));
    }

    bool whole_batches() const {
        return options.dataset->has_batches() && options.transforms.empty();
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
            Ready made = make(number, std::move(reused));
            lock.lock();
            if (number == first && whole_batches()) {
                ahead = std::max(ahead, std::min(most_ahead, ahead_bytes / bytes_of(made.batch)));
                rest_until = ahead / 2;
            }
            ready.emplace(number, std::move(made));
            if (number == taken) available.notify_one();
        }
    }

    Ready make(int64_t number, Batch batch) {
        try {
            fill(number / iterations(), number % iterations(), batch);
            return {std::move(batch), nullptr};
        } catch (...) {
            return {{}, std::current_exception()};
        }
    }

    void fill(int64_t epoch, int64_t iteration, Batch& batch) {
        const BatchPlan::Slice slice = options.plan.slice(iteration);
        batch.ids.clear();
        batch.size = slice.size();
        batch.global_size = slice.global_size;
        if (slice.size() == 0) {
            batch.fields.clear();
            return;
        }
        const Orders::Order order = orders.get(options, epoch);
        batch.ids.assign(order->begin() + slice.begin, order->begin() + slice.end);
        SampleContext context = options.context;
        context.epoch = epoch;
        if (whole_batches())
            fill_whole(context, batch);
        else
            fill_by_sample(context, batch);
        finish_fields(batch);
    }

    void fill_whole(const SampleContext& context, Batch& batch) {
        try {
            options.dataset->get_batch(batch.ids, context, batch);
        } catch (...) {
            rethrow_for_sample(options, sample_names(batch.ids));
        }
    }

    void fill_by_sample(const SampleContext& context, Batch& batch) {
        std::vector<Sample> samples;
        samples.reserve(batch.ids.size());
        for (const int64_t id : batch.ids) {
            try {
                samples.push_back(options.dataset->get(id, context));
                Philox random = context.random(id);
                for (const auto& transform : options.transforms)
                    transform->apply(samples.back(), random);
                samples.back().decode();
            } catch (...) {
                rethrow_for_sample(options, concat("sample ", id));
            }
        }
        try {
            batch.fields = options.dataset->collate(samples).fields;
        } catch (...) {
            rethrow_for_sample(options, sample_names(batch.ids));
        }
    }

    /// What the step would otherwise have to do on the main thread.
    void finish_fields(Batch& batch) const {
        for (auto& [name, field] : batch.fields) {
            auto* tensor = std::get_if<Tensor>(&field);
            if (!tensor || !tensor->defined()) continue;
            if (tensor->is_floating_point() && tensor->scalar_type() != options.dtype)
                *tensor = tensor->to(options.dtype);
            if (options.channels_last && tensor->dim() == 4 && tensor->is_floating_point())
                *tensor = to_channels_last(*tensor);
        }
    }

    const LoaderOptions options;
    Orders orders;

    std::mutex mutex;
    std::condition_variable work;       // enough places in the queue are free
    std::condition_variable available;  // the batch that next() waits for is there
    std::vector<std::thread> threads;
    std::map<int64_t, Ready> ready;  // by number in the endless stream
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
    State& s = *state_;
    std::unique_lock lock(s.mutex);
    if (s.threads.empty()) s.start();
    s.available.wait(lock, [&] { return s.ready.count(s.taken) != 0; });
    auto node = s.ready.extract(s.taken);
    ++s.taken;
    const bool wake = s.resting && s.started <= s.taken + s.rest_until;
    if (wake) s.resting = false;
    lock.unlock();
    if (wake) s.work.notify_all();
    if (node.mapped().error) std::rethrow_exception(node.mapped().error);
    return std::move(node.mapped().batch);
}

void Loader::seek(int64_t epoch, int64_t iteration) {
    if (!state_->threads.empty()) throw Error("Loader::seek() after the first next()");
    state_->seek(epoch, iteration);
}

void Loader::recycle(Batch batch) {
    std::lock_guard lock(state_->mutex);
    if (state_->pool.size() <= size_t(state_->ahead)) state_->pool.push_back(std::move(batch));
}

const BatchPlan& Loader::plan() const {
    return state_->options.plan;
}
int64_t Loader::epoch() const {
    return state_->iterations() ? state_->taken / state_->iterations() : 0;
}
int64_t Loader::iteration() const {
    return state_->iterations() ? state_->taken % state_->iterations() : 0;
}

}  // namespace ailab
