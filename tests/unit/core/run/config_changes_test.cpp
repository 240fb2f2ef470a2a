// What may change between a run and its resumption.
#include <gtest/gtest.h>

#include "config/yaml_reader.hpp"
#include "run/config_changes.hpp"

namespace ailab {
namespace {

Node tree(const std::string& text) {
    Problems problems;
    Node node = read_yaml(text, "test", problems);
    problems.check();
    return node;
}

struct Case {
    const char* before;
    const char* now;
    const char* told;  // "" for nothing
    bool refused;
};

class ConfigChanges : public testing::TestWithParam<Case> {};

TEST_P(ConfigChanges, AreToldOrRefused) {
    const auto changes = compare_configs(tree(GetParam().before), tree(GetParam().now));
    if (*GetParam().told == '\0') {
        EXPECT_TRUE(changes.empty()) << changes[0].str();
        return;
    }
    ASSERT_EQ(changes.size(), 1u);
    EXPECT_EQ(changes[0].str(), GetParam().told);
    EXPECT_EQ(changes[0].refused, GetParam().refused);
}

INSTANTIATE_TEST_SUITE_P(
    Table, ConfigChanges,
    testing::Values(
        Case{"seed: 1", "seed: 1", "", false},
        Case{"seed: 1", "seed: 2", "seed was 1 and is 2", true},
        Case{"optimizer: {lr: 1}", "optimizer: {lr: 1.0}", "", false},
        Case{"optimizer: {lr: 1}", "optimizer: {lr: 2}", "optimizer.lr was 1 and is 2", false},
        Case{"optimizer: {type: Adam}", "optimizer: {type: SGD}",
             "optimizer.type was Adam and is SGD", true},
        Case{"model: {type: A, width: 3}", "model: {type: A, width: 4}",
             "model.width was 3 and is 4", false},
        Case{"data: {train: {limit: 3}}", "data: {train: {limit: null}}",
             "data.train.limit was 3 and is not given", true},
        Case{"data: {val: {limit: 3}}", "data: {val: {limit: 4}}", "data.val.limit was 3 and is 4",
             false},
        Case{"data: {train_dataloader: {num_workers: 1}}",
             "data: {train_dataloader: {num_workers: 4}}", "", false},
        Case{"data: {train_dataloader: {shuffle: true}}",
             "data: {train_dataloader: {shuffle: false}}",
             "data.train_dataloader.shuffle was true and is false", true},
        Case{"work_dir: a", "work_dir: b", "", false},
        Case{"dist: {backend: shm}", "dist: {backend: mpi}", "", false},
        Case{"workflow: [[train, 1]]", "workflow: [[train, 2]]",
             "workflow was [[train, 1]] and is [[train, 2]]", true},
        Case{"hooks: {}", "hooks: {ema: {type: EMAHook}}",
             "hooks.ema.type was not given and is EMAHook", false},
        Case{"total_epochs: 3", "total_epochs: 5", "total_epochs was 3 and is 5", false},
        Case{"runtime: {dtype: float32}", "runtime: {dtype: float64}",
             "runtime.dtype was float32 and is float64", true}));

// What an optimizer's groups hold comes from the checkpoint.
TEST(ConfigChanges, SayWhatTheCheckpointKeeps) {
    const std::vector<std::tuple<const char*, const char*, Kept>> table = {
        {"optimizer: {lr: 1}", "optimizer: {lr: 2}", Kept::learning_rate},
        {"optimizer: {generator: {lr: 1}}", "optimizer: {generator: {lr: 2}}", Kept::learning_rate},
        {"optimizer: {weight_decay: 1}", "optimizer: {weight_decay: 2}", Kept::value},
        {"optimizer: {momentum: 1}", "optimizer: {momentum: 2}", Kept::value},
        {"optimizer: {betas: [1, 2]}", "optimizer: {betas: [2, 2]}", Kept::first_value},
        {"paramwise_cfg: {bias_lr_mult: 1}", "paramwise_cfg: {bias_lr_mult: 2}",
         Kept::learning_rate},
        {"paramwise_cfg: {norm_decay_mult: 1}", "paramwise_cfg: {norm_decay_mult: 2}", Kept::value},
        {"optimizer: {eps: 1}", "optimizer: {eps: 2}", Kept::nothing},
        {"model: {lr: 1}", "model: {lr: 2}", Kept::nothing},
    };
    for (const auto& [before, now, kept] : table) {
        const auto changes = compare_configs(tree(before), tree(now));
        ASSERT_EQ(changes.size(), 1u) << now;
        EXPECT_EQ(changes[0].kept, kept) << now;
        EXPECT_FALSE(changes[0].refused) << now;
    }
}

}  // namespace
}  // namespace ailab
