#include "recent_scalars.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ailab/error.hpp"

namespace ailab::tensorboard {
namespace {

TEST(RecentScalars, KeepsThoseOfTheNewestStep) {
    RecentScalars recent;
    EXPECT_TRUE(recent.at(0).empty());
    recent.add(10, {{"train/loss", 0.5}});
    recent.add(10, {{"val/loss", 0.25}});
    EXPECT_EQ(recent.at(10), (Scalars{{"train/loss", 0.5}, {"val/loss", 0.25}}));
    EXPECT_TRUE(recent.at(9).empty());
    recent.add(20, {{"train/loss", 0.125}});
    EXPECT_EQ(recent.at(20), (Scalars{{"train/loss", 0.125}}));
    EXPECT_TRUE(recent.at(10).empty());
}

TEST(RecentScalars, ComesBackFromACheckpoint) {
    RecentScalars recent, again;
    recent.add(7, {{"train/loss", std::nan("")}, {"train/lr", 0.1}});
    again.add(3, {{"old", 1}});
    again.load(recent.save());
    ASSERT_EQ(again.at(7).size(), 2u);
    EXPECT_TRUE(std::isnan(again.at(7)[0].second));
    EXPECT_EQ(again.at(7)[1], (std::pair<std::string, double>("train/lr", 0.1)));
    again.load(RecentScalars().save());
    EXPECT_TRUE(again.at(7).empty());
}

TEST(RecentScalars, RefusesAnotherState) {
    RecentScalars recent;
    recent.add(7, {{"a", 1}, {"b", 2}});
    const State good = recent.save();
    State short_one = good, no_tags = good, other_type = good;
    short_one.tensors["values"] = at::ones({1}, at::kDouble);
    no_tags.values = Node::map();
    other_type.tensors["values"] = at::ones({2}, at::kFloat);
    for (const State& state : {short_one, no_tags, other_type})
        EXPECT_THROW(recent.load(state), Error);
}

}  // namespace
}  // namespace ailab::tensorboard
