// What a checkpoint knows of a run comes back as it was, and says what it lacks.
#include "run/run_state.hpp"

#include <gtest/gtest.h>

#include "ailab/error.hpp"

namespace ailab {
namespace {

RunState some_state() {
    return {.seed = 42,
            .trained_epoch = 3,
            .train_seconds = 12.5,
            .train_samples = 9000,
            .loss_unit = 64,
            .results = {{Phase::train, {{"loss", 0.5}}},
                        {Phase::val, {{"loss", 0.25}, {"top1", 91.5}, {"a/b", -1}}}},
            .evaluated = {{Phase::val, 3}, {Phase::test, 0}},
            .data = DataPosition{
                .epoch = 2, .samples_assigned = 96, .samples = 100, .global_batch_size = 32}};
}

Node saved(const RunState& state) {
    Node values = Node::map();
    state.save(values);
    return values;
}

/// Every key that is saved, with what it holds.
TEST(RunState, SavesEachKeyOnce) {
    const Node values = saved(some_state());
    std::vector<std::string> keys;
    for (const Member& member : values.members()) keys.push_back(member.key);
    EXPECT_EQ(keys, (std::vector<std::string>{"seed", "trained_epoch", "train_seconds",
                                              "train_samples", "results", "loss_unit", "evaluated",
                                              "data_epoch", "data_samples_dealt", "data_samples",
                                              "global_batch_size"}));
    EXPECT_EQ(saved({}).find("data_epoch"), nullptr) << "a run without training data";
}

TEST(RunState, ComesBackAsItWas) {
    const RunState state = some_state(), again = RunState::load(saved(state));
    EXPECT_EQ(again.seed, state.seed);
    EXPECT_EQ(again.trained_epoch, state.trained_epoch);
    EXPECT_EQ(again.train_seconds, state.train_seconds);
    EXPECT_EQ(again.train_samples, state.train_samples);
    EXPECT_EQ(again.loss_unit, state.loss_unit);
    EXPECT_EQ(again.results, state.results) << "in their order";
    EXPECT_EQ(again.evaluated, state.evaluated);
    ASSERT_TRUE(again.data);
    EXPECT_EQ(again.data->epoch, 2);
    EXPECT_EQ(again.data->samples_assigned, 96);
    EXPECT_EQ(again.data->samples, 100);
    EXPECT_EQ(again.data->global_batch_size, 32);
}

TEST(RunState, OfEarlierBuildsLacksWhatTheyDidNotKnow) {
    Node values = saved(some_state());
    std::erase_if(values.members(), [](const Member& member) {
        return member.key == "loss_unit" || member.key == "evaluated";
    });
    const RunState state = RunState::load(values);
    EXPECT_EQ(state.loss_unit, 0);
    EXPECT_TRUE(state.evaluated.empty());
}

TEST(RunState, NamesWhatIsMissingOrOfAnotherKind) {
    const auto message = [](const std::string& key, const std::optional<Node>& value) {
        Node values = saved(some_state());
        std::erase_if(values.members(), [&](const Member& member) { return member.key == key; });
        if (value) values.set(key, *value);
        try {
            RunState::load(values);
        } catch (const Error& error) {
            return std::string(error.what());
        }
        return std::string("no error");
    };
    EXPECT_EQ(message("train_samples", {}), "its state has no \"train_samples\"");
    EXPECT_EQ(message("data_samples", {}), "its state has no \"data_samples\"");
    EXPECT_EQ(message("trained_epoch", Node(0.5)), "its \"trained_epoch\" is the number 0.5");
}

}  // namespace
}  // namespace ailab
