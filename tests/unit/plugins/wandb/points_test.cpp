#include "wandb/points.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "config/formats.hpp"

namespace ailab::wandb {
namespace {

using Values = std::vector<std::pair<std::string, double>>;

TEST(Points, OfAStepAreOneRow) {
    Points points;
    EXPECT_FALSE(points.take());
    points.add(10, 100, 1, {{"train/loss", 2}, {"epoch", 1}});
    EXPECT_FALSE(points.has_row_before(10));
    points.add(10, 101, 2, {{"val/loss", 3}, {"epoch", 1}});
    EXPECT_TRUE(points.has_row_before(11));
    const auto change = points.take();
    ASSERT_TRUE(change);
    EXPECT_EQ(change->row.step, 10);
    EXPECT_EQ(change->row.timestamp, 101);
    EXPECT_EQ(change->row.runtime, 2);
    EXPECT_EQ(change->row.values, (Values{{"train/loss", 2}, {"epoch", 1}, {"val/loss", 3}}));
    EXPECT_EQ(change->new_names, (std::vector<std::string>{"train/loss", "epoch", "val/loss"}));
    EXPECT_EQ(points.last_step(), 10);
    EXPECT_FALSE(points.take());
}

TEST(Points, GiveEachStepOnce) {
    Points points;
    points.skip_until(10);
    for (const int64_t step : {9, 10}) {
        points.add(step, 0, 0, {{"a", 1}});
        EXPECT_FALSE(points.take()) << step;
    }
    points.add(11, 0, 0, {{"a", 1}});
    EXPECT_TRUE(points.take());
}

TEST(Points, SummaryHasTheLastAndTheBest) {
    Points points;
    int64_t step = 0;
    Summary summary;
    for (const double value : {std::nan(""), 2.0, 1.0, 3.0, double(INFINITY), std::nan("")}) {
        points.add(++step, 0, 0, {{"val/loss", value}});
        summary = points.take()->summary;
    }
    EXPECT_TRUE(std::isnan(summary["val/loss"].last));
    EXPECT_EQ(summary["val/loss"].min, 1);
    EXPECT_EQ(summary["val/loss"].max, INFINITY);
}

TEST(Points, GoOnFromACheckpoint) {
    Points points;
    points.add(1, 0, 0, {{"val/top1", 50}});
    points.take();
    points.add(2, 0, 0, {{"val/top1", 40}, {"train/loss", std::nan("")}});
    points.take();
    points.add(3, 20, 5, {{"train/loss", 0.5}});
    Node saved = Node::map();
    points.save(saved);
    // As a checkpoint keeps it.
    Points resumed;
    resumed.load(from_json(to_json(saved), "test"));
    EXPECT_EQ(resumed.last_step(), 2);
    EXPECT_EQ(resumed.summary().at("val/top1").last, 40);
    EXPECT_EQ(resumed.summary().at("val/top1").max, 50);
    EXPECT_TRUE(std::isnan(resumed.summary().at("train/loss").last));
    const auto change = resumed.take();
    ASSERT_TRUE(change);
    EXPECT_EQ(change->row.step, 3);
    EXPECT_EQ(change->row.timestamp, 20);
    EXPECT_EQ(change->row.runtime, 5);
    EXPECT_EQ(change->row.values, (Values{{"train/loss", 0.5}}));
    EXPECT_TRUE(change->new_names.empty());
    EXPECT_EQ(change->summary.at("train/loss").min, 0.5);
}

}  // namespace
}  // namespace ailab::wandb
