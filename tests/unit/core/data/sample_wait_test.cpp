// A sample that does not come: who waits for it is told, and the wait has an end.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "fake_samples.hpp"
#include "host/clock.hpp"
#include "log/log.hpp"

namespace ailab {
namespace {

using test::error_of;

/// One sample does not come until it is released; others take some time.
class Stuck final : public Dataset {
  public:
    explicit Stuck(int64_t stuck, bool whole = false) : stuck_(stuck), whole_(whole) {}

    int64_t size() const override { return 12; }
    std::string sample_name(int64_t i) const override { return concat("file", i); }
    Sample get(int64_t i, const SampleContext&) const override {
        std::this_thread::sleep_for(time);
        wait(i);
        return Sample(at::full({2}, double(i)), at::scalar_tensor(i, at::kLong));
    }
    bool has_batches() const override { return whole_; }
    void get_batch(std::span<const int64_t> indices, const SampleContext&,
                   Batch& batch) const override {
        for (const int64_t i : indices) wait(i);
        ensure(batch, "input", {int64_t(indices.size())}, at::kFloat).zero_();
    }
    /// Until somebody asks for the sample that does not come.
    void wait_until_asked() const {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return asked_; });
    }
    void release() {
        const std::lock_guard lock(mutex_);
        released_ = true;
        changed_.notify_all();
    }

    std::chrono::milliseconds time{0};

  private:
    void wait(int64_t i) const {
        std::unique_lock lock(mutex_);
        if (i != stuck_) return;
        asked_ = true;
        changed_.notify_all();
        changed_.wait(lock, [this] { return released_; });
    }

    const int64_t stuck_;
    const bool whole_;
    mutable bool asked_ = false;
    bool released_ = false;
    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
};

/// In the order of their numbers, four a batch.
LoaderOptions deal_in_order(std::shared_ptr<const Dataset> dataset, double timeout) {
    LoaderOptions options = test::loader_options(dataset, 4);
    options.sampler = std::make_shared<test::FixedOrder>(
        std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
    options.type = "Stuck";
    options.sample_timeout = timeout;
    return options;
}

/// Warnings, from here on.
class Warnings {
  public:
    Warnings() {
        collect_warnings([this](const std::string& text) {
            const std::lock_guard lock(mutex_);
            texts_.push_back(text);
        });
    }
    ~Warnings() { collect_warnings(nullptr); }
    std::vector<std::string> texts() const {
        const std::lock_guard lock(mutex_);
        return texts_;
    }

  private:
    mutable std::mutex mutex_;
    std::vector<std::string> texts_;
};

TEST(SampleWait, EndsAfterTheTimeoutAndNamesTheSample) {
    for (const bool whole : {false, true}) {
        const auto dataset = std::make_shared<Stuck>(6, whole);
        const auto begin = Clock::now();
        {
            Loader loader(deal_in_order(dataset, 0.5));
            EXPECT_EQ(loader.next().ids, (std::vector<int64_t>{0, 1, 2, 3}));
            EXPECT_EQ(
                error_of([&] { loader.next(); }),
                whole ? "data.train (Stuck), the batch that begins with sample 4 (file4): it has "
                        "not come within 0.5 s (dist.timeout): what the data set reads or waits "
                        "for hangs. A sample that needs longer wants a larger dist.timeout"
                      : "data.train (Stuck), sample 6 (file6): it has not come within 0.5 s "
                        "(dist.timeout): what the data set reads or waits for hangs. A sample "
                        "that needs longer wants a larger dist.timeout");
        }  // the loader does not wait for its thread
        EXPECT_LT(seconds(Clock::now() - begin), 4);
        dataset->release();
    }
}

TEST(SampleWait, OfABatchApartEndsToo) {
    const auto dataset = std::make_shared<Stuck>(1);
    const Loader loader(deal_in_order(dataset, 0.3));
    const std::string text = error_of([&] { loader.preview(0); });
    EXPECT_EQ(text.find("data.train (Stuck), sample 1 (file1): it has not come within 0.3 s"), 0u)
        << text;
    dataset->release();
}

/// It is one sample that may not take so long, not a batch of them.
TEST(SampleWait, SlowSamplesHaveEachTheWholeTime) {
    const auto dataset = std::make_shared<Stuck>(-1);
    dataset->time = std::chrono::milliseconds(250);
    Loader loader(deal_in_order(dataset, 0.7));
    EXPECT_EQ(loader.next().ids, (std::vector<int64_t>{0, 1, 2, 3}));
}

TEST(SampleWait, IsToldOfOnceWhenTheRunIsAskedToEnd) {
    const auto dataset = std::make_shared<Stuck>(2);
    LoaderOptions options = deal_in_order(dataset, 60);
    std::atomic<bool> asked{false};
    options.stop_wanted = [&] { return asked ? "SIGINT" : ""; };
    Warnings warnings;
    {
        Loader loader(std::move(options));
        std::thread user([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(600));
            EXPECT_TRUE(warnings.texts().empty()) << warnings.texts()[0];
            asked = true;
            std::this_thread::sleep_for(std::chrono::milliseconds(600));
            dataset->release();
        });
        EXPECT_EQ(loader.next().ids, (std::vector<int64_t>{0, 1, 2, 3}));
        user.join();
    }
    const std::vector<std::string> texts = warnings.texts();
    ASSERT_EQ(texts.size(), 1u);
    EXPECT_EQ(
        texts[0].find("SIGINT: the run waits for data.train (Stuck), sample 2 (file2), which has "
                      "not come for "),
        0u)
        << texts[0];
    EXPECT_NE(
        texts[0].find("after 60 s (dist.timeout) without it; a second signal ends it at once"),
        std::string::npos);
}

/// A batch that is merely on its way is not worth a word.
TEST(SampleWait, OfASampleThatComesSoonIsNotToldOf) {
    const auto dataset = std::make_shared<Stuck>(-1);
    dataset->time = std::chrono::milliseconds(100);
    LoaderOptions options = deal_in_order(dataset, 60);
    options.stop_wanted = [] { return "SIGINT"; };
    const Warnings warnings;
    Loader loader(std::move(options));
    loader.next();
    EXPECT_TRUE(warnings.texts().empty()) << warnings.texts()[0];
}

/// One that was made ahead, when the run is over.
TEST(SampleWait, OfASampleThatNobodyWantsIsGivenUp) {
    const auto dataset = std::make_shared<Stuck>(5);
    const Warnings warnings;
    const auto begin = Clock::now();
    {
        Loader loader(deal_in_order(dataset, 60));
        loader.next();
        dataset->wait_until_asked();
    }
    EXPECT_LT(seconds(Clock::now() - begin), 12);
    ASSERT_EQ(warnings.texts().size(), 1u);
    EXPECT_EQ(warnings.texts()[0],
              "data.train: a sample that nobody waits for any more has not come; the thread that "
              "reads it is left behind");
    dataset->release();
}

}  // namespace
}  // namespace ailab
