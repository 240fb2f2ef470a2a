// The saved configuration is a valid input that gives the same run.
#include <gtest/gtest.h>

#include "config/formats.hpp"
#include "config_case.hpp"

namespace ailab {
namespace {

const std::string rich = R"(seed: 0x2a
work_dir: ~/runs
plugins: [extra.so]
dist: {backend: gloo, init_method: "tcp://host:1234", timeout: 1e2}
model: {type: ExtraModel, note: "007", extra: {a: [1, {b: .inf}], c: "yes"}, mapping: {x: input}}
data:
  train: {type: ListData, root: "/d a", limit: 10, transforms: [{type: Flip}]}
  val: {type: ListData, root: /v}
  train_dataloader: {shuffle: false}
  val_dataloader: {sampler: {type: DefaultSampler}}
global_batch_size: 64
loss: {type: CrossEntropyLoss, weight: [1, 2.5], reduction: sum}
optimizer: {gen: {type: AdamW, lr: 3e-4}, dis: {type: AdamW}}
workflow: [{phase: train, iters: 500}, {phase: val}]
total_iters: 1e4
hooks:
  metrics: {type: MetricHook, b: {type: Accuracy}, a: {type: Accuracy, topk: 5, phases: [val]}}
  lr: {type: LrSchedulerHook, scheduler: {type: CosineAnnealingLR, T_max: "${total_iters}"}}
  log: {type: LoggerHook, log_dir: "${work_dir}/logs", log_items: {lr: optimizer.lr}, priority: LOW}
  ddp: {type: DDPHook, enabled: false}
runtime: {threads: 2, dtype: float64}
)";

TEST(Resolved, IsAFixedPoint) {
    for (const std::string& text : {least, rich}) {
        const std::string first = to_yaml(parse(text).resolved);
        EXPECT_EQ(to_yaml(parse(first).resolved), first);
    }
}

TEST(Resolved, GivesTheSameRun) {
    const RunConfig first = parse(rich);
    const RunConfig again = parse(to_yaml(first.resolved));
    EXPECT_EQ(again.seed, 42u);
    EXPECT_EQ(again.work_dir, first.work_dir);
    EXPECT_EQ(again.plugins, first.plugins);
    EXPECT_EQ(again.dist.timeout, 100);
    EXPECT_EQ(again.total_iters, 10000);
    EXPECT_EQ(again.data.train_dataloader.global_batch_size, 64);
    EXPECT_EQ(again.data.train_dataloader.batch_size, std::nullopt);
    EXPECT_EQ(again.data.train_dataloader.shuffle, false);
    EXPECT_EQ(again.data.val_dataloader.shuffle, std::nullopt);
    EXPECT_EQ(again.data.train.config.transforms->size(), 1u);
    EXPECT_EQ(again.workflow[0].iters, 500);
    EXPECT_EQ(again.optimizers[1].first, "dis");
    EXPECT_EQ(again.hooks[2].name, "log");
    EXPECT_EQ(again.hooks[2].spec.config.priority, 70);
    EXPECT_FALSE(again.hooks[3].spec.config.enable);
    EXPECT_EQ(again.resolved.flow(), first.resolved.flow());
}

TEST(Resolved, OverridesAreInIt) {
    const RunConfig config = parse(rich, {"seed=1", "workflow.0.iters=7", "hooks.log.interval=3"});
    const RunConfig again = parse(to_yaml(config.resolved));
    EXPECT_EQ(again.seed, 1u);
    EXPECT_EQ(again.workflow[0].iters, 7);
    EXPECT_EQ(again.resolved.find("hooks")->find("log")->find("interval")->as_int(), 3);
}

}  // namespace
}  // namespace ailab
