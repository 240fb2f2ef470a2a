// What users write and what comes of it.
#include <gtest/gtest.h>

#include "config/formats.hpp"
#include "config_case.hpp"
#include "fake_modules.hpp"

namespace ailab {
namespace {

struct Accepted {
    const char* name;
    std::string text;
    /// The path of a value in the resolved configuration, and what it is there.
    std::string path;
    std::string value;
    std::vector<std::string> overrides = {};
};

void PrintTo(const Accepted& accepted, std::ostream* out) {
    *out << accepted.name;
}

const Node* at(const Node& root, const std::string& path) {
    const Node* node = &root;
    for (size_t begin = 0; node && begin < path.size();) {
        const size_t end = std::min(path.find('.', begin), path.size());
        node = node->find(path.substr(begin, end - begin));
        begin = end + 1;
    }
    return node;
}

class AcceptedConfig : public testing::TestWithParam<Accepted> {};

TEST_P(AcceptedConfig, ResolvesTo) {
    const Accepted& param = GetParam();
    const RunConfig config = parse(param.text, param.overrides);
    const Node* value = at(config.resolved, param.path);
    ASSERT_TRUE(value) << to_yaml(config.resolved);
    EXPECT_EQ(value->flow(), param.value);
}

const std::string one_model =
    "data: {train: {type: ListData, root: /d}}\n"
    "optimizer: {type: AdamW}\ntotal_epochs: 1\n";

const Accepted accepted[] = {
    {"defaults", least, "seed", "0"},
    {"default_work_dir", least, "work_dir", "./work_dir"},
    {"default_workflow", least, "workflow", "[[train, 1]]"},
    {"default_workflow_with_val",
     "model: {type: TinyModel}\n"
     "data: {train: {type: ListData, root: /d}, val: {type: ListData, root: /v}}\n"
     "optimizer: {type: AdamW}\ntotal_epochs: 1\n",
     "workflow", "[[train, 1], [val, 1]]"},
    {"default_batch_size", least, "data.train_dataloader.batch_size", "32"},
    {"train_is_shuffled", least, "data.train_dataloader.shuffle", "true"},
    {"val_is_not_shuffled", least, "data.val_dataloader.shuffle", "false"},
    {"option_defaults", least, "optimizer",
     "{type: AdamW, lr: 0.001, betas: [0.9, 0.999], eps: 1.0e-08, weight_decay: 0.01, amsgrad: "
     "false}"},
    {"epochs_of_workflow", least + "workflow: [[train, 2]]\n", "workflow", "[[train, 2]]"},
    {"iters_of_workflow", least + "workflow: [{phase: train, iters: 500}, [train, 1]]\n",
     "workflow", "[{phase: train, iters: 500}, [train, 1]]"},
    {"phase_alone", least + "workflow: [{phase: train}]\n", "workflow", "[[train, 1]]"},
    {"total_iters",
     one_model.substr(0, one_model.find("total_epochs")) +
         "model: {type: TinyModel}\ntotal_iters: 1e3\n",
     "total_iters", "1000"},
    {"hexadecimal", least + "seed: 0x1F\n", "seed", "31"},
    {"integral_float", least + "seed: 2.0\n", "seed", "2"},
    {"float_without_zero", "model: {type: TinyModel, dropout: .5}\n" + one_model, "model.dropout",
     "0.5"},
    {"float_with_exponent", "model: {type: TinyModel, dropout: 1e-3}\n" + one_model,
     "model.dropout", "0.001"},
    {"integer_for_float", "model: {type: TinyModel, dropout: 1}\n" + one_model, "model.dropout",
     "1.0"},
    {"number_for_string", "model: {type: TinyModel, note: 2026.10}\n" + one_model, "model.note",
     "\"2026.10\""},
    {"bool_for_string", "model: {type: TinyModel, note: true}\n" + one_model, "model.note",
     "\"true\""},
    {"tagged_string", "model: {type: TinyModel, note: !!str 12}\n" + one_model, "model.note",
     "\"12\""},
    {"anything", "model: {type: TinyModel, extra: {a: [1, 2.5, x, null, true]}}\n" + one_model,
     "model.extra", "{a: [1, 2.5, x, null, true]}"},
    {"infinities", "model: {type: TinyModel, extra: [.inf, -inf, .nan]}\n" + one_model,
     "model.extra", "[.inf, -.inf, .nan]"},
    {"global_batch_size", least + "global_batch_size: 64\n",
     "data.train_dataloader.global_batch_size", "64"},
    {"global_batch_size_stands_for_batch_size", least + "global_batch_size: 64\n",
     "data.train_dataloader.batch_size", "null"},
    {"pytorch_loader_keys",
     least,
     "data.train_dataloader.prefetch_factor",
     "4",
     {"data.train_dataloader={batch_size: 16, num_workers: 16, pin_memory: true, "
      "persistent_workers: true, prefetch_factor: 4, shuffle: true}"}},
    {"broken_samples_end_the_run",
     least,
     "data.train_dataloader.on_error",
     "fail",
     {"data.train_dataloader={on_error: fail}"}},
    {"so_many_broken_samples",
     least,
     "data.train_dataloader.max_errors",
     "0",
     {"data.train_dataloader={on_error: skip, max_errors: 0}"}},
    {"resume_from_nothing", least + "resume_from: \"\"\n", "resume_from", "null"},
    {"resume_from_null", least + "resume_from: null\n", "resume_from", "null"},
    {"resume_from_auto", least + "resume_from: auto\n", "resume_from", "auto"},
    {"load_from_nothing", least + "load_from: \"\"\n", "load_from", "null"},
    {"load_from_file", least + "load_from: a/model.safetensors\n", "load_from",
     "a/model.safetensors"},
    {"pretrained_file", "model: {type: TinyModel, pretrained: a.pth}\n" + least.substr(25),
     "model.pretrained", "a.pth"},
    {"pretrained_nothing", "model: {type: TinyModel, pretrained: null}\n" + least.substr(25),
     "model.type", "TinyModel"},
    {"pretrained_map",
     "model: {type: TinyModel, pretrained: {file: a.pth, mapping: {^a: b}}}\n" + least.substr(25),
     "model.pretrained", "{file: a.pth, prefix: \"\", mapping: {\"^a\": b}}"},
    {"empty_section", least + "dist:\n", "dist.backend", "auto"},
    {"empty_hooks", least + "hooks:\n", "hooks", "{}"},
    {"no_loss", least + "loss: null\n", "seed", "0"},
    {"hooks_in_order", least + "hooks: {z: {type: DDPHook}, a: {type: DDPHook}}\n", "hooks",
     "{z: {type: DDPHook, enable: true}, a: {type: DDPHook, enable: true}}"},
    {"enabled", least + "hooks: {d: {type: DDPHook, enabled: false}}\n", "hooks.d.enable", "false"},
    {"priority_name", least + "hooks: {d: {type: DDPHook, priority: VERY_LOW}}\n",
     "hooks.d.priority", "90"},
    {"priority_number", least + "hooks: {d: {type: DDPHook, priority: 45}}\n", "hooks.d.priority",
     "45"},
    {"metrics_by_name",
     least + "hooks: {m: {type: MetricHook, top5: {type: Accuracy, topk: 5, mapping: {label: "
             "target}, phases: [val]}, top1: {type: Accuracy}}}\n",
     "hooks.m.top5", "{type: Accuracy, topk: 5, mapping: {label: target}, phases: [val]}"},
    {"named_optimizers",
     "model: {type: TinyModel}\ndata: {train: {type: ListData, root: /d}}\n"
     "optimizer: {gen: {type: AdamW}, dis: {type: AdamW, lr: 1}}\ntotal_epochs: 1\n",
     "optimizer.dis.lr", "1.0"},
    {"binding", "model: {type: TinyModel, mapping: {x: image}, output_keys: [pred]}\n" + one_model,
     "model.output_keys", "[pred]"},
    {"transforms",
     least,
     "data.train.transforms",
     "[{type: Flip}, {type: Flip}]",
     {"data.train.transforms=[{type: Flip}, {type: Flip}]"}},
    {"module_of_a_plugin", "model: {type: fake/TinyModel}\n" + one_model, "model.type",
     "TinyModel"},
    {"plugin_of_the_file", "plugins: [extra.so]\nmodel: {type: ExtraModel}\n" + one_model,
     "model.type", "ExtraModel"},
    {"val_needs_no_optimizer",
     "model: {type: TinyModel}\ndata: {val: {type: ListData, root: /d}}\nworkflow: [[val, 1]]\n"
     "total_epochs: 1\n",
     "workflow", "[[val, 1]]"},
    {"merge_key",
     "model: &m {type: TinyModel, hidden: 3, bias: false}\n"
     "data: {train: {type: ListData, root: /d}}\noptimizer: {type: AdamW}\ntotal_epochs: 1\n",
     "model.hidden", "3"},
    {"byte_order_mark", "\xEF\xBB\xBF" + least, "seed", "0"},
    {"windows_line_ends", "model: {type: TinyModel}\r\n" + one_model, "model.hidden", "128"},
    {"document_marks", "---\n" + least + "...\n", "seed", "0"},
    {"chinese_text", "model: {type: TinyModel, note: 模型}\n" + one_model, "model.note",
     "\"模型\""},
};
INSTANTIATE_TEST_SUITE_P(Config, AcceptedConfig, testing::ValuesIn(accepted),
                         [](const auto& info) { return std::string(info.param.name); });

/// The configurations that the project's users bring along; what is not in this build is unknown.
TEST(UsersFiles, OnlyModulesThatAreNotHereAreRefused) {
    const std::string text = R"(seed: 42
work_dir: ./work_dir
resume_from: null            # a checkpoint, or "auto"
dist: {backend: nccl, init_method: env://}
model: {type: MyModel}
data:
  train: {type: MyDataset}
  val: {type: MyDataset}
  train_dataloader: {batch_size: 32, num_workers: 4}
  val_dataloader: {batch_size: 32, num_workers: 4}
loss: {type: CrossEntropyLoss, weight: [1.0, 2.0], reduction: mean}
optimizer: {type: AdamW, lr: 0.001, weight_decay: 0.01}
workflow: [[train, 1], [val, 1]]
total_epochs: 100
hooks:
  metrics: {type: MetricHook, top1: {type: Accuracy, topk: 1}, top5: {type: Accuracy, topk: 5}}
  checkpoint: {type: CheckpointHook, interval: 1}
  lr_scheduler: {type: LrSchedulerHook, scheduler: {type: CosineAnnealingLR, T_max: 100}}
  logger: {type: LoggerHook, interval: 10, log_dir: ./logs}
  amp: {type: AMPHook, enable: false}
  ddp: {type: DDPHook}
  wandb: {type: WandbHook, init_args: {project: my-project, mode: disabled}}
)";
    EXPECT_EQ(complaint(text),
              "c.yaml:4:17: dist.backend: unknown backend \"nccl\". Plugins loaded: fake. Or write "
              "auto.\n"
              "c.yaml:5:15: unknown model \"MyModel\". Plugins loaded: fake.\n"
              "c.yaml:7:17: unknown dataset \"MyDataset\". Plugins loaded: fake.\n"
              "c.yaml:8:15: unknown dataset \"MyDataset\". Plugins loaded: fake.\n"
              "c.yaml:17:22: unknown hook \"CheckpointHook\". Plugins loaded: fake.\n"
              "c.yaml:20:15: unknown hook \"AMPHook\". Plugins loaded: fake.\n"
              "c.yaml:22:17: unknown hook \"WandbHook\". Plugins loaded: fake.");
}

TEST(UsersFiles, TheLaterFormParses) {
    const std::string text = R"(workflow: [{phase: train, iters: 500}, {phase: val}]
model: {type: TinyModel, mapping: {image: image, mask: mask}, output_keys: [pred]}
loss: {type: CrossEntropyLoss, mapping: {pred: pred, mask: mask, target: target}}
optimizer: {type: AdamW}
total_epochs: 10
data:
  train: {type: ListData, root: a}
  val: {type: ListData, root: b}
  train_dataloader: {batch_size: 16, num_workers: 16, pin_memory: true, persistent_workers: true, prefetch_factor: 4, shuffle: true}
hooks:                                   # every hook takes enable (or enabled): false
  metrics:
    type: MetricHook
    top1: {type: Accuracy, topk: 1, mapping: {pred: output, label: target}, phases: [train, val]}
  lr_scheduler: {type: LrSchedulerHook, scheduler: {type: CosineAnnealingLR, T_max: 10, eta_min: 0}}
  logger: {type: LoggerHook, interval: 200, log_dir: "${work_dir}/logs", log_items: {lr: optimizer.param_groups.0.lr, psnr: meters.psnr.avg}}
  ddp: {type: DDPHook}
)";
    const RunConfig config = parse(text);
    ASSERT_EQ(config.workflow.size(), 2u);
    EXPECT_EQ(config.workflow[0].iters, 500);
    EXPECT_EQ(config.workflow[1].phase, "val");
    EXPECT_EQ(config.model.binding().mapping.at("mask"), "mask");
    EXPECT_EQ(config.model.binding().output_keys, std::vector<std::string>{"pred"});
    ASSERT_EQ(config.hooks.size(), 4u);
    EXPECT_EQ(config.hooks[2].name, "logger");
    EXPECT_EQ(at(config.source, "hooks.logger.log_dir")->as_string(), "./work_dir/logs");
}

TEST(UsersFiles, AllMistakesComeAtOnceInTheOrderOfTheirPlaces) {
    const std::string text =
        "hooks: {d: {type: DDPHook, x: 1}}\nseed: -1\nmodel: {type: Nope}\n"
        "total_epochs: 0\ndata: {train: {type: ListData}}\nbogus: 1\n";
    EXPECT_EQ(
        complaint(text, {"optimizer.type=SGD"}),
        "command line, optimizer.type=SGD: unknown optimizer \"SGD\". Plugins loaded: fake.\n"
        "c.yaml:1:28: hook \"DDPHook\" has no option \"x\". It takes: enable, enabled, priority.\n"
        "c.yaml:2:7: seed must be at least 0, got -1.\n"
        "c.yaml:3:15: unknown model \"Nope\". Plugins loaded: fake.\n"
        "c.yaml:4:15: total_epochs must be between 1 and 1000000000, got 0.\n"
        "c.yaml:5:15: dataset \"ListData\" needs the option \"root\" (folder of the data). Add "
        "\"root: …\".\n"
        "c.yaml:6:1: the configuration has no key \"bogus\". It takes: " +
            all_keys + ".");
}

TEST(UsersFiles, MissingFile) {
    ConfigInput input;
    input.path = "/nowhere/train.yaml";
    try {
        load_config(input);
        FAIL();
    } catch (const ConfigError& error) {
        EXPECT_STREQ(error.what(),
                     "/nowhere/train.yaml: the configuration cannot be read: No such file or "
                     "directory. Check the name.");
    }
    input.path = "/";
    EXPECT_THROW(load_config(input), ConfigError);
}

TEST(CommandLine, AddsPluginsAndTheWorkDir) {
    ConfigInput input;
    input.plugins = {"extra.so"};
    input.work_dir = "/tmp/here";
    const RunConfig config =
        parse_config("model: {type: ExtraModel}\n" + one_model, "c.yaml", input);
    EXPECT_EQ(config.plugins, std::vector<std::string>{"extra.so"});
    EXPECT_EQ(config.work_dir, "/tmp/here");
    EXPECT_EQ(at(config.resolved, "plugins")->flow(), "[extra.so]");
}

}  // namespace
}  // namespace ailab
