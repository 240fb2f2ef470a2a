#include "file_stream.hpp"

#include <algorithm>
#include <thread>

namespace ailab {
namespace {

/// Joins them at the end of a scope.
struct Threads {
    ~Threads() {
        for (std::thread& thread : all) thread.join();
    }
    std::vector<std::thread> all;
};

}  // namespace

void FileStream::run(int threads, int64_t batch_size, const Work& work) {
    batch_size_ = size_t(batch_size);
    room_ = 4 * batch_size_ * size_t(threads);
    most_finished_ = 4 * size_t(threads);
    working_ = threads;
    {
        Threads running;
        running.all.emplace_back([this] { feed(); });
        try {
            for (int i = 0; i < threads; ++i) running.all.emplace_back([&] { work_on(work); });
        } catch (...) {  // the system gives no more threads
            fail(std::current_exception());
        }
        hand_on();
    }
    if (error_) std::rethrow_exception(error_);
}

void FileStream::feed() {
    try {
        while (std::optional<std::string> name = next_()) {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] { return waiting_.size() < room_ || error_; });
            if (error_) break;
            waiting_.push_back(std::move(*name));
            changed_.notify_all();
        }
    } catch (...) {
        fail(std::current_exception());
    }
    const std::lock_guard lock(mutex_);
    fed_ = true;
    changed_.notify_all();
}

/// The next files: few at first, so that the first results come soon.
std::optional<FileStream::Batch> FileStream::take() {
    std::unique_lock lock(mutex_);
    // Who hands on may be slow: what is finished does not pile up.
    changed_.wait(lock, [&] {
        return error_ || (finished_.size() < most_finished_ && (!waiting_.empty() || fed_));
    });
    if (waiting_.empty() || error_) return std::nullopt;
    Batch batch;
    batch.number = begun_++;
    const size_t most =
        std::min<size_t>(batch_size_, size_t(1) << std::min<int64_t>(20, begun_ / 2));
    for (size_t count = std::min(waiting_.size(), most); count > 0; --count) {
        batch.items.emplace_back().file = std::move(waiting_.front());
        waiting_.pop_front();
    }
    changed_.notify_all();
    return batch;
}

void FileStream::work_on(const Work& work) {
    try {
        while (std::optional<Batch> batch = take()) {
            work(batch->items);
            const std::lock_guard lock(mutex_);
            finished_[batch->number] = std::move(batch->items);
            changed_.notify_all();
        }
    } catch (...) {
        fail(std::current_exception());
    }
    const std::lock_guard lock(mutex_);
    --working_;
    changed_.notify_all();
}

void FileStream::hand_on() {
    for (int64_t number = 0;; ++number) {
        std::vector<Prediction> batch;
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] { return finished_.count(number) || working_ == 0 || error_; });
            if (error_ || !finished_.count(number)) return;
            batch = std::move(finished_[number]);
            finished_.erase(number);
            changed_.notify_all();
        }
        try {
            for (const Prediction& prediction : batch) done_(prediction);
        } catch (...) {
            return fail(std::current_exception());
        }
    }
}

void FileStream::fail(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
    changed_.notify_all();
}

}  // namespace ailab
