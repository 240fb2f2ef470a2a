// Warnings of several ranks: each is told once, with the ranks that said it.
#include "distributed/warnings.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <thread>

#include "processes.hpp"

namespace ailab::test {
namespace {

using dist::Clock;
using dist::told_by;
using dist::WarningCollector;
using Lines = std::vector<std::string>;
using std::chrono::milliseconds;

TEST(Warnings, NameTheRanksThatSaidThem) {
    const std::vector<std::pair<std::set<int>, std::string>> table = {
        {{0}, "[rank 0] low"},        {{12}, "[rank 12] low"},
        {{0, 1}, "[ranks 0-1] low"},  {{0, 1, 2, 3}, "[ranks 0-3] low"},
        {{0, 2}, "[ranks 0, 2] low"}, {{0, 1, 2, 5, 7, 8}, "[ranks 0-2, 5, 7-8] low"},
    };
    for (const auto& [ranks, line] : table) EXPECT_EQ(told_by(ranks, "low"), line);
}

TEST(Warnings, WaitAMomentForTheOtherRanks) {
    WarningCollector collector;
    const Clock::time_point begin{};
    EXPECT_EQ(collector.next(), std::nullopt);
    collector.add(2, "disk is slow", begin);
    collector.add(1, "memory is low", begin + milliseconds(100));
    collector.add(0, "disk is slow", begin + milliseconds(200));
    EXPECT_EQ(collector.next(), begin + WarningCollector::moment);
    EXPECT_EQ(collector.take_due(begin + milliseconds(299)), Lines{});
    EXPECT_EQ(collector.take_due(begin + milliseconds(300)), Lines{"[ranks 0, 2] disk is slow"});
    EXPECT_EQ(collector.next(), begin + milliseconds(400));
    collector.add(3, "disk is slow", begin + milliseconds(310));  // too late for that line
    EXPECT_EQ(collector.take_due(begin + milliseconds(400)), Lines{"[rank 1] memory is low"});
    EXPECT_EQ(collector.take_all(), Lines{"[rank 3] disk is slow"});
    EXPECT_EQ(collector.take_all(), Lines{});
}

TEST(Warnings, StayRepeatedWhenOneRankRepeatsThem) {
    WarningCollector collector;
    for (const int rank : {0, 0, 1, 0, 1}) collector.add(rank, "again", Clock::time_point{});
    EXPECT_EQ(collector.take_all(),
              (Lines{"[ranks 0-1] again", "[ranks 0-1] again", "[rank 0] again"}));
}

/// The warnings in an output, without their times.
Lines warnings(const std::string& output) {
    Lines found;
    const std::string level = " - WARNING - ";
    for (size_t at = 0; (at = output.find(level, at)) != std::string::npos;) {
        at += level.size();
        found.push_back(output.substr(at, output.find('\n', at) - at));
    }
    std::sort(found.begin(), found.end());
    return found;
}

TEST(Warnings, OfAJobArePrintedOnceByRankZero) {
    auto ranks = start_ranks(3, {"warn"}, master(free_port()));
    const Outcome outcome = wait_for(ranks);
    EXPECT_EQ(outcome.statuses, (std::vector<int>{0, 0, 0}));
    EXPECT_EQ(warnings(ranks[0]->output()),
              (Lines{"[rank 1] rank 1 alone", "[ranks 0-2] all of us"}));
    EXPECT_EQ(ranks[1]->output() + ranks[2]->output(), "");
}

TEST(Warnings, AreNotLostWhenTheJobFails) {
    for (const std::string rank : {"rank=0", "rank=1"}) {
        const Outcome outcome =
            run_ranks_alone(3, {"warn", rank, "then=fail"}, master(free_port()));
        ASSERT_EQ(outcome.messages().size(), 1u) << outcome.output;
        EXPECT_EQ(warnings(outcome.output),
                  (Lines{"[rank 1] rank 1 alone", "[ranks 0-2] all of us"}))
            << outcome.output;
    }
}

TEST(Warnings, AreToldByEachRankWhenRankZeroIsKilledBeforeItPrintsThem) {
    auto ranks = start_ranks(3, {"warn", "rank=0", "then=kill"}, master(free_port()));
    const Outcome outcome = wait_for(ranks);
    ASSERT_EQ(outcome.messages().size(), 1u) << outcome.output;
    EXPECT_EQ(warnings(ranks[1]->output()), (Lines{"[rank 1] all of us", "[rank 1] rank 1 alone"}));
    EXPECT_EQ(warnings(ranks[2]->output()), Lines{"[rank 2] all of us"});
}

}  // namespace
}  // namespace ailab::test
