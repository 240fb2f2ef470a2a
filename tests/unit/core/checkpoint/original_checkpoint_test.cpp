// Optimizers' states in files of torch.save(): how large they may be. That they fit ailab's
// optimizers is tested in tests/unit/plugins/optim.
#include "checkpoint/original_checkpoint.hpp"

#include <gtest/gtest.h>

#include <chrono>

#include "ailab/error.hpp"
#include "core/pth/pth_builder.hpp"
#include "memory_file.hpp"

namespace ailab {
namespace {

using namespace std::string_literals;
using namespace test;

std::string list(const std::string& items) {
    return "](" + items + "e";
}

std::string read(const std::string& groups, const std::string& states) {
    const MemoryFile file;
    const std::string weight = tensor(storage("FloatStorage", "0", 1), 0, {1}, {1});
    file.write(pth(
        pickle(dict({{"model_state", dict({{"w", weight}})},
                     {"epoch", number(1)},
                     {"optimizer_state", dict({{"param_groups", groups}, {"state", states}})}})),
        {{"0", raw(1.0F)}}));
    const auto start = std::chrono::steady_clock::now();
    try {
        const OriginalCheckpoint checkpoint = read_original_checkpoint(file.path());
        EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
        return to_optimizer_state(*checkpoint.optimizer, {"w"}).values.flow();
    } catch (const Error& error) {
        EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
        return file.shorten(error.what());
    }
}

TEST(OriginalCheckpointTest, Refuses) {
    const std::string lr = "G\x3f\xe0\0\0\0\0\0\0"s;  // 0.5
    const std::string zero = list(number(0));
    const std::string group = dict({{"lr", lr}, {"params", zero}});
    const std::string start = "cannot read FILE: optimizer_state: ";
    const std::string empty = "}";

    std::string many_groups = dict({{"lr", lr}, {"params", "]"}}) + "q\7";
    std::string many_states = "}(" + text("step") + number(1);
    for (int i = 0; i < 1000; ++i) many_groups += "h\7";
    for (int i = 0; i < 32; ++i) many_states += text(std::to_string(i)) + none;
    const auto state_of_0 = [&](const std::string& state) { return "}" + number(0) + state + "s"; };
    // 2,000 parameters, each with 1,000 states that the file has once.
    std::string indices, states = "}(";
    for (int i = 0; i < 2000; ++i) indices += number(i);
    std::string thousand = "}(";
    for (int i = 0; i < 1000; ++i) thousand += text(std::to_string(i)) + number(1);
    states += number(0) + thousand + "uq\7";
    for (int i = 1; i < 2000; ++i) states += number(i) + "h\7";

    struct Case {
        std::string groups, states, expected;
    };
    const std::vector<Case> table = {
        {list(group), empty,
         "{groups: [{lr: 0.5, initial_lr: 0.5, weight_decay: 0.0, params: [w]}]}"},
        {list(dict({{"lr", text("x")}, {"params", zero}})), empty,
         "parameter group 0 of the saved optimizer has no lr"},
        {list(dict({{"lr", lr}})), empty,
         start + "a group's params must be a list of numbers, got "
                 "none"},
        {list(dict({{"lr", lr}, {"params", number(0)}})), empty,
         start + "a group's params must be a list of numbers, got the number 0"},
        {list(dict({{"lr", lr}, {"params", list(text("w"))}})), empty,
         start + "params must hold numbers, got the string \"w\""},
        {list(group + group), empty, start + "parameter 0 is there twice"},
        {list(group), state_of_0(dict({{"step", numbers({1, 2})}})),
         start + "parameter 0: step is a list, neither a tensor nor a number"},
        {list(group), state_of_0("}" + number(1) + number(1) + "s"),
         start + "parameter 0: a name is the number 1"},
        {list(group),
         state_of_0(dict({{"step", tensor(storage("FloatStorage", "0", 1), 0, {3}, {0})}})),
         "the saved optimizer has 3 steps for w"},
        {list(many_groups), empty, start + "it has 1001 groups; at most 1000 are read"},
        {list(group), state_of_0(many_states + "u"),
         start + "parameter 0: it has 33 states; at most 32 are read"},
        {list(dict({{"lr", lr}, {"params", list(indices)}})), states + "u",
         start + "parameter 0: it has 1000 states; at most 32 are read"},
    };
    for (const Case& c : table) EXPECT_EQ(read(c.groups, c.states), c.expected);
}

}  // namespace
}  // namespace ailab
