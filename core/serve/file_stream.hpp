#pragma once
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ailab/predictor.hpp"

namespace ailab {

/// Files that come one by one, worked on in batches by several threads, and handed on in their
/// order. What waits is worked on together; nothing waits for a batch to be full.
class FileStream {
  public:
    using Next = std::function<std::optional<std::string>()>;
    using Done = std::function<void(const Prediction&)>;
    /// Fills in predictions whose `file` is set. Called by several threads at once.
    using Work = std::function<void(std::vector<Prediction>&)>;

    FileStream(Next next, Done done) : next_(std::move(next)), done_(std::move(done)) {}

    /// Until next() has no more and all are done. `done` is called on this thread. Throws what any
    /// of the functions throws, after the threads have ended; next() must return for that.
    void run(int threads, int64_t batch_size, const Work& work);

  private:
    struct Batch {
        int64_t number = 0;
        std::vector<Prediction> items;
    };

    void feed();
    void work_on(const Work& work);
    std::optional<Batch> take();
    void hand_on();
    void fail(std::exception_ptr error);

    const Next next_;
    const Done done_;
    size_t batch_size_ = 1;
    size_t room_ = 1;           // for files that wait
    size_t most_finished_ = 1;  // batches

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::string> waiting_;
    bool fed_ = false;                                     // next() has no more
    int64_t begun_ = 0;                                    // batches
    std::map<int64_t, std::vector<Prediction>> finished_;  // by number, until they are handed on
    int working_ = 0;                                      // threads
    std::exception_ptr error_;
};

}  // namespace ailab
