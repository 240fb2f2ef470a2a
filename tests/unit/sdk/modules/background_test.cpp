#include "ailab/background.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

namespace ailab {
namespace {

using namespace std::chrono_literals;

TEST(Background, DoesTasksInOrderOnOneOtherThread) {
    Background background;
    std::vector<int> done;
    std::vector<std::thread::id> threads;
    for (int i = 0; i < 100; ++i)
        background.post([&, i] {
            done.push_back(i);
            threads.push_back(std::this_thread::get_id());
        });
    background.finish();
    ASSERT_EQ(done.size(), 100u);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(done[size_t(i)], i);
    EXPECT_NE(threads.front(), std::this_thread::get_id());
    EXPECT_EQ(threads.front(), threads.back());
}

TEST(Background, FinishOfNothingReturns) {
    Background background;
    background.finish();
    background.post([] {});
    background.finish();
    background.finish();
}

TEST(Background, BeginsSoonAlsoAfterALongRest) {
    Background background;
    for (const auto rest : {0ms, 20ms, 1500ms}) {
        std::this_thread::sleep_for(rest);
        std::atomic<bool> done{false};
        background.post([&] { done = true; });
        const auto limit = std::chrono::steady_clock::now() + 2s;
        while (!done && std::chrono::steady_clock::now() < limit) std::this_thread::sleep_for(1ms);
        EXPECT_TRUE(done) << rest.count() << " ms";
    }
}

TEST(Background, ThrowsWhatATaskThrewOnce) {
    Background background;
    int later = 0;
    background.post([] { throw std::runtime_error("the disk is full"); });
    background.post([&] { ++later; });
    try {
        background.finish();
        ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "the disk is full");
    }
    EXPECT_EQ(later, 1);
    background.finish();
}

TEST(Background, ItsDestructorFinishesTheRest) {
    int done = 0;
    {
        Background background;
        for (int i = 0; i < 50; ++i) background.post([&] { ++done; });
    }
    EXPECT_EQ(done, 50);
}

}  // namespace
}  // namespace ailab
