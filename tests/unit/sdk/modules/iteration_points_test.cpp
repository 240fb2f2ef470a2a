// Which points of a training iteration a hook's class overrides.
#include <gtest/gtest.h>

#include "ailab/hook.hpp"

namespace ailab {
namespace {

struct Nothing : Hook {};
struct Two : Hook {
    void before_step(Run&) override {}
    void after_train_iter(Run&) override {}
};
struct OfItsBase : Two {
    void before_train_iter(Run&) override {}
};
class Hidden : public Hook {
    void after_backward(Run&) override {}
};
struct Overloaded : Hook {
    void after_step(Run&) override {}
    void after_step(int) {}
};

struct OfTests : Hook {
    void before_test_iter(Run&) override {}
};
class HiddenInVal : public Hook {
    void after_val_iter(Run&) override {}
};

std::string points(const IterationPoints& points) {
    std::string text;
    if (points.before_train_iter) text += "before_train_iter ";
    if (points.after_backward) text += "after_backward ";
    if (points.before_step) text += "before_step ";
    if (points.after_step) text += "after_step ";
    if (points.after_train_iter) text += "after_train_iter ";
    return text;
}

TEST(IterationPoints, AreThoseThatTheClassOrItsBaseOverrides) {
    EXPECT_EQ(points(overridden<Nothing>()), "");
    EXPECT_EQ(points(overridden<Two>()), "before_step after_train_iter ");
    EXPECT_EQ(points(overridden<OfItsBase>()), "before_train_iter before_step after_train_iter ");
}

TEST(IterationPoints, CountWhatCannotBeLookedAt) {
    EXPECT_TRUE(overridden<Hidden>().after_backward);
    EXPECT_TRUE(overridden<Overloaded>().after_step);
}

TEST(IterationPoints, AreAllCalledOfAHookThatIsNotRegistered) {
    EXPECT_EQ(points(Nothing().iteration_points),
              "before_train_iter after_backward before_step after_step after_train_iter ");
}

TEST(IterationPoints, TellWhichHooksMayChangeAnEvaluation) {
    EXPECT_FALSE(overridden<Two>().evaluation);
    EXPECT_TRUE(overridden<OfTests>().evaluation);
    EXPECT_TRUE(overridden<HiddenInVal>().evaluation);
    Nothing hook;
    hook.iteration_points = overridden<Nothing>();
    EXPECT_FALSE(hook.changes_evaluations());
    hook.iteration_points = overridden<OfTests>();
    EXPECT_TRUE(hook.changes_evaluations());
}

}  // namespace
}  // namespace ailab
