// Every kind of mistake with the exact text that the user sees.
#include <gtest/gtest.h>

#include "config_case.hpp"

namespace ailab {
namespace {

struct Refused {
    const char* name;
    std::string text;
    std::string complaint;
    std::vector<std::string> overrides = {};
};

void PrintTo(const Refused& refused, std::ostream* out) {
    *out << refused.name;
}

class RefusedConfig : public testing::TestWithParam<Refused> {};

TEST_P(RefusedConfig, SaysWhatIsWrong) {
    EXPECT_EQ(complaint(GetParam().text, GetParam().overrides), GetParam().complaint);
}

std::string case_name(const testing::TestParamInfo<Refused>& info) {
    return info.param.name;
}

const Refused yaml[] = {
    {"empty", "", "c.yaml:1:1: c.yaml is empty. A configuration begins with model: {type: …}."},
    {"only_comments", "# nothing\n",
     "c.yaml:1:1: c.yaml is empty. A configuration begins with model: {type: …}."},
    {"a_list", "- 1\n- 2\n",
     "c.yaml:1:1: a configuration is a map of keys, got a list of 2. It begins with model: {type: "
     "…}."},
    {"a_text", "hello\n",
     "c.yaml:1:1: a configuration is a map of keys, got the string \"hello\". It begins with "
     "model: "
     "{type: …}."},
    {"open_bracket", "seed: [1, 2\n", "c.yaml:2:1: ?"},
    {"open_quote", "seed: \"1\n", "c.yaml:2:1: ?"},
    {"tab", "dist:\n\tbackend: gloo\n", "?"},
    {"two_colons", "seed: 1: 2\n", "?"},
    {"variable_in_flow", "model: {type: A, note: ${env:A,1}/b}\n", "?"},
    {"undefined_alias", "seed: *s\n", "?"},
    {"cyclic_alias", least + "hooks: &h {a: *h}\n", "?"},
    {"cyclic_alias_list", least + "plugins: &p [*p]\n", "?"},
    {"duplicate_key", least + "seed: 1\nseed: 2\n", "?"},
    {"duplicate_nested", "model: {type: TinyModel, hidden: 1, hidden: 2}\n" + least.substr(25),
     "?"},
    {"two_documents", least + "---\nseed: 2\n", "?"},
    {"list_as_key", least + "? [a, b]\n: 1\n", "?"},
    {"null_key", least + "~: 1\n", "?"},
    {"tag", least + "seed: !!python/int 3\n", "?"},
    {"merge_of_scalar", least + "dist: {<<: 5}\n", "?"},
    {"not_utf8", least + "work_dir: \xff\xfe\n", "?"},
    {"control_character", std::string("seed: 1\nwork_dir: a\x04\n"), "?"},
    {"billion_laughs",
     "a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
     "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, "
     "*c]\n"
     "e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, "
     "*e]\n",
     "?"},
    {"too_deep", "a: " + std::string(70, '[') + std::string(70, ']') + "\n", "?"},
};
INSTANTIATE_TEST_SUITE_P(Yaml, RefusedConfig, testing::ValuesIn(yaml), case_name);

const Refused keys[] = {
    {"unknown_key", least + "sed: 1\n", "?"},
    {"unknown_key_without_neighbour", least + "xyzzy: 1\n", "?"},
    {"unknown_key_in_section", least + "dist: {backnd: gloo}\n", "?"},
    {"unknown_key_in_loader",
     "model: {type: TinyModel}\n"
     "data: {train: {type: ListData, root: /d}, train_dataloader: {batchsize: 4}}\n"
     "optimizer: {type: AdamW}\ntotal_epochs: 1\n",
     "?"},
    {"unknown_option", least + "loss: {type: CrossEntropyLoss, reducton: sum}\n", "?"},
    {"unknown_option_of_optimizer",
     "model: {type: TinyModel}\ndata: {train: {type: ListData, root: /d}}\n"
     "optimizer: {type: AdamW, beta: 0.9}\ntotal_epochs: 1\n",
     "?"},
    {"option_of_module_without_options", least + "hooks: {ddp: {type: DDPHook, find: 1}}\n", "?"},
    {"missing_option",
     "model: {type: TinyModel}\ndata: {train: {type: ListData}}\noptimizer: {type: AdamW}\n"
     "total_epochs: 1\n",
     "?"},
    {"missing_nested_module", least + "hooks: {lr: {type: LrSchedulerHook}}\n", "?"},
    {"missing_module_given_as_null",
     least + "hooks: {lr: {type: LrSchedulerHook, scheduler: null}}\n", "?"},
    {"nothing_but_seed", "seed: 1\n", "?"},
    {"no_length",
     "model: {type: TinyModel}\ndata: {train: {type: ListData, root: /d}}\n"
     "optimizer: {type: AdamW}\n",
     "?"},
    {"both_lengths", least + "total_iters: 5\n", "?"},
    {"both_batch_sizes",
     least + "global_batch_size: 8\n",
     "?",
     {"data.train_dataloader.batch_size=4"}},
    {"both_batch_sizes_in_loader",
     "model: {type: TinyModel}\ndata:\n  train: {type: ListData, root: /d}\n"
     "  train_dataloader: {batch_size: 4, global_batch_size: 8}\noptimizer: {type: AdamW}\n"
     "total_epochs: 1\n",
     "?"},
};
INSTANTIATE_TEST_SUITE_P(Keys, RefusedConfig, testing::ValuesIn(keys), case_name);

const Refused values[] = {
    {"integer_got_text", least + "seed: many\n", "?"},
    {"integer_got_fraction", least + "seed: 1.5\n", "?"},
    {"integer_got_quoted", least + "seed: \"42\"\n", "?"},
    {"integer_got_null", least + "seed:\n", "?"},
    {"integer_got_list", least + "seed: [1]\n", "?"},
    {"integer_with_leading_zero", least + "seed: 007\n", "?"},
    {"integer_with_underscores", least + "seed: 1_000\n", "?"},
    {"integer_too_big", least + "seed: 99999999999999999999\n", "?"},
    {"int_too_big",
     least + "hooks: {m: {type: MetricHook, top1: {type: Accuracy, topk: 3000000000}}}\n", "?"},
    {"below_minimum", least + "seed: -1\n", "?"},
    {"number_got_text", "model: {type: TinyModel, dropout: high}\n" + least.substr(25), "?"},
    {"outside_of_range", "model: {type: TinyModel, dropout: 1.5}\n" + least.substr(25), "?"},
    {"nan_in_range", "model: {type: TinyModel, dropout: nan}\n" + least.substr(25), "?"},
    {"number_too_big", "model: {type: TinyModel, dropout: 1e999}\n" + least.substr(25), "?"},
    {"bool_got_yes", "model: {type: TinyModel, bias: yes}\n" + least.substr(25), "?"},
    {"bool_got_number", "model: {type: TinyModel, bias: 1}\n" + least.substr(25), "?"},
    {"string_got_list", least + "work_dir: [a]\n", "?"},
    {"string_got_map", least + "work_dir: {a: 1}\n", "?"},
    {"not_a_choice", "model: {type: TinyModel, activation: geluu}\n" + least.substr(25), "?"},
    {"list_got_scalar", "model: {type: TinyModel, sizes: 3}\n" + least.substr(25), "?"},
    {"wrong_list_entry", "model: {type: TinyModel, sizes: [3, x]}\n" + least.substr(25), "?"},
    {"list_entry_below_minimum", "model: {type: TinyModel, sizes: [3, 0]}\n" + least.substr(25),
     "?"},
    {"map_got_list", least + "hooks: {l: {type: LoggerHook, log_items: [lr]}}\n", "?"},
    {"section_got_scalar", least + "dist: gloo\n", "?"},
    {"hooks_got_list", least + "hooks: [a]\n", "?"},
    {"rule",
     "model: {type: TinyModel}\ndata: {train: {type: ListData, root: /d}}\n"
     "optimizer: {type: AdamW, betas: [0.9]}\ntotal_epochs: 1\n",
     "?"},
    {"plugins_got_scalar", least + "plugins: libmy.so\n", "?"},
    {"timeout_of_zero", least + "dist: {timeout: 0}\n", "?"},
    {"bad_init_method", least + "dist:\n  init_method: tcp://host\n", "?"},
    {"init_method_port", least + "dist: {init_method: \"tcp://host:99999\"}\n", "?"},
    {"init_method_relative_file", least + "dist: {init_method: \"file://here\"}\n", "?"},
    {"unknown_backend", least + "dist: {backend: glo}\n", "?"},
    {"unknown_device", least + "runtime: {device: tpu}\n", "?"},
    {"dtype", least + "runtime: {dtype: float16}\n", "?"},
};
INSTANTIATE_TEST_SUITE_P(Values, RefusedConfig, testing::ValuesIn(values), case_name);

const Refused modules[] = {
    {"unknown_module", "model: {type: TinyModle, hidden: 3}\n" + least.substr(25), "?"},
    {"unknown_disabled_hook", least + "hooks: {w: {type: WandbHook, enable: false}}\n", "?"},
    {"disabled_hook_with_mistake",
     least + "hooks: {l: {type: LoggerHook, enable: false, interval: 0}}\n", "?"},
    {"module_got_name", least + "loss: CrossEntropyLoss\n", "?"},
    {"no_type", least + "loss: {reduction: sum}\n", "?"},
    {"type_misspelt", least + "loss: {tpye: CrossEntropyLoss}\n", "?"},
    {"type_is_list", least + "loss: {type: [CrossEntropyLoss]}\n", "?"},
    {"hook_is_null", least + "hooks: {ddp: null}\n", "?"},
    {"enable_and_enabled", least + "hooks: {d: {type: DDPHook, enable: true, enabled: false}}\n",
     "?"},
    {"priority_name", least + "hooks: {d: {type: DDPHook, priority: VERYHIGH}}\n", "?"},
    {"priority_range", least + "hooks: {d: {type: DDPHook, priority: 101}}\n", "?"},
    {"metric_phase",
     least + "hooks: {m: {type: MetricHook, top1: {type: Accuracy, phases: [train, valid]}}}\n",
     "?"},
    {"metric_is_no_module", least + "hooks: {m: {type: MetricHook, topk: 5}}\n", "?"},
    {"mapping_of_wrong_type", "model: {type: TinyModel, mapping: [image]}\n" + least.substr(25),
     "?"},
    {"key_of_another_kind", least + "loss: {type: CrossEntropyLoss, phases: [val]}\n", "?"},
    {"unknown_transform", least, "?", {"data.train.transforms=[{type: Flip}, {type: Flop}]"}},
    {"option_named_like_a_common_key", least + "hooks: {r: {type: RudeHook}}\n", "?"},
    {"plugin_not_found", least + "plugins: [libmissing.so]\n", "?"},
    {"optimizer_of_named_ones",
     "model: {type: TinyModel}\ndata: {train: {type: ListData, root: /d}}\n"
     "optimizer: {gen: {type: AdamW}, dis: {type: Adam}}\ntotal_epochs: 1\n",
     "?"},
    {"optimizer_type_misspelt",
     "model: {type: TinyModel}\ndata: {train: {type: ListData, root: /d}}\n"
     "optimizer: {typ: AdamW, lr: 0.1}\ntotal_epochs: 1\n",
     "?"},
};
INSTANTIATE_TEST_SUITE_P(Modules, RefusedConfig, testing::ValuesIn(modules), case_name);

const Refused workflow[] = {
    {"empty_workflow", least + "workflow: []\n", "?"},
    {"phase", least + "workflow: [[trian, 1]]\n", "?"},
    {"no_epochs", least + "workflow: [[train]]\n", "?"},
    {"zero_epochs", least + "workflow: [[train, 0]]\n", "?"},
    {"flat", least + "workflow: [train, 1]\n", "?"},
    {"scalar", least + "workflow: train\n", "?"},
    {"epochs_and_iters", least + "workflow: [{phase: train, epochs: 1, iters: 2}]\n", "?"},
    {"unknown_key_in_step", least + "workflow: [{phase: train, iter: 2}]\n", "?"},
    {"no_phase", least + "workflow: [{iters: 2}]\n", "?"},
    {"phase_without_data", least + "workflow:\n- [train, 1]\n- {phase: val}\n", "?"},
    {"default_without_data",
     "model: {type: TinyModel}\ndata: {val: {type: ListData, root: /d}}\noptimizer: {type: AdamW}\n"
     "total_epochs: 1\n",
     "?"},
    {"iters_without_train",
     "model: {type: TinyModel}\ndata: {val: {type: ListData, root: /d}}\ntotal_iters: 1\n"
     "workflow: [[val, 1]]\n",
     "?"},
    {"no_optimizer",
     "model: {type: TinyModel}\ndata: {train: {type: ListData, root: /d}}\n"
     "total_epochs: 1\n",
     "?"},
};
INSTANTIATE_TEST_SUITE_P(Workflow, RefusedConfig, testing::ValuesIn(workflow), case_name);

const Refused variables[] = {
    {"unknown_variable", least + "work_dir: ${workdir}/x\n", "?"},
    {"unset_environment", least + "work_dir: ${env:AILAB_TEST_UNSET}\n", "?"},
    {"environment_by_bare_name", least + "work_dir: ${PATH}\n", "?"},
    {"refers_to_itself", least + "work_dir: ${work_dir}/x\n", "?"},
    {"refers_in_a_circle", least + "work_dir: ${resume_from}\nresume_from: ${work_dir}\n", "?"},
    {"not_closed", least + "work_dir: \"${HOME/x\"\n", "?"},
    {"stands_for_a_map", least + "work_dir: ${data}\n", "?"},
    {"no_name", least + "work_dir: ${env:}\n", "?"},
    {"wrong_type_of_value", least + "seed: ${work_dir}\n", "?"},
};
INSTANTIATE_TEST_SUITE_P(Variables, RefusedConfig, testing::ValuesIn(variables), case_name);

const Refused overrides[] = {
    {"not_key_value", least, "?", {"seed"}},
    {"empty_key", least, "?", {"=5"}},
    {"empty_part", least, "?", {"data..train=5"}},
    {"no_such_key", least, "?", {"sed=5"}},
    {"no_such_option", least, "?", {"model.hiden=5"}},
    {"through_a_scalar", least, "?", {"total_epochs.x=5"}},
    {"entry_out_of_range", least + "workflow: [[train, 1]]\n", "?", {"workflow.1.0=val"}},
    {"entry_by_name", least + "workflow: [[train, 1]]\n", "?", {"workflow.train=2"}},
    {"entry_of_default", least, "?", {"workflow.0.1=2"}},
    {"value_is_no_yaml", least, "?", {"model.sizes=[1, 2"}},
    {"value_of_wrong_type", least, "?", {"seed=x"}},
    {"second_of_two", least, "?", {"seed=1", "seed=x"}},
};
INSTANTIATE_TEST_SUITE_P(Overrides, RefusedConfig, testing::ValuesIn(overrides), case_name);

}  // namespace
}  // namespace ailab
