// Files come one by one, are worked on by several threads, and are handed on in their order.
#include "serve/file_stream.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "ailab/error.hpp"

namespace ailab {
namespace {

FileStream::Next numbers(int count) {
    return [count, i = 0]() mutable -> std::optional<std::string> {
        if (i == count) return std::nullopt;
        return std::to_string(i++);
    };
}

TEST(FileStream, HandsOnInOrder) {
    std::vector<std::string> done;
    FileStream stream(numbers(500), [&](const Prediction& p) { done.push_back(p.file); });
    std::atomic<size_t> largest{0};
    stream.run(4, 16, [&](std::vector<Prediction>& batch) {
        size_t seen = largest;
        while (batch.size() > seen && !largest.compare_exchange_weak(seen, batch.size())) {
        }
        std::this_thread::sleep_for(std::chrono::microseconds(std::stoi(batch[0].file) % 7 * 100));
    });
    ASSERT_EQ(done.size(), 500U);
    for (int i = 0; i < 500; ++i) EXPECT_EQ(done[size_t(i)], std::to_string(i));
    EXPECT_LE(largest, 16U);
    EXPECT_GT(largest, 4U);
}

TEST(FileStream, ASlowListIsNotWaitedFor) {
    std::atomic<int> done{0};
    const auto next = [&, i = 0]() mutable -> std::optional<std::string> {
        if (i > 0)
            while (done < i) std::this_thread::yield();  // the next name comes after the result
        if (i == 5) return std::nullopt;
        return std::to_string(i++);
    };
    FileStream stream(next, [&](const Prediction&) { ++done; });
    stream.run(2, 8, [](std::vector<Prediction>&) {});
    EXPECT_EQ(done, 5);
}

TEST(FileStream, NothingPilesUpBehindASlowReader) {
    std::atomic<int> begun{0};
    int done = 0;
    FileStream stream(numbers(400), [&](const Prediction&) {
        if (++done < 3) std::this_thread::sleep_for(std::chrono::milliseconds(50));
        if (done == 2) EXPECT_LT(begun, 200);
    });
    stream.run(2, 4, [&](std::vector<Prediction>& batch) { begun += int(batch.size()); });
    EXPECT_EQ(done, 400);
}

TEST(FileStream, ErrorsOfAnyPartEndIt) {
    const auto failing = [](const std::string& part) {
        int given = 0;
        FileStream stream(
            [&]() -> std::optional<std::string> {
                if (part == "next" && given == 50) throw Error("next");
                if (given == 1000) return std::nullopt;
                return std::to_string(given++);
            },
            [&](const Prediction& p) {
                if (part == "done" && p.file == "20") throw Error("done");
            });
        try {
            stream.run(3, 4, [&](std::vector<Prediction>& batch) {
                if (part == "work" && batch[0].file > "3") throw Error("work");
            });
        } catch (const Error& error) {
            return std::string(error.what());
        }
        return std::string("no error");
    };
    for (const char* part : {"next", "work", "done"}) EXPECT_EQ(failing(part), part);
}

TEST(FileStream, NoFilesAreInOrder) {
    FileStream stream(numbers(0), [](const Prediction&) { FAIL(); });
    stream.run(2, 4, [](std::vector<Prediction>&) { FAIL(); });
}

}  // namespace
}  // namespace ailab
