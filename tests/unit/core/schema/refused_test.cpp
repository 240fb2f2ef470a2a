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

const Refused not_yaml[] = {
    {"empty", "",
     "c.yaml:1:1: there is nothing in this file. A configuration is a map of keys, such as model: "
     "{type: …}."},
    {"only_comments", "# nothing\n",
     "c.yaml:1:1: there is nothing in this file. A configuration is a map of keys, such as model: "
     "{type: …}."},
    {"a_list", "- 1\n- 2\n",
     "c.yaml:1:1: this file holds a list of 2. A configuration is a map of keys, such as model: "
     "{type: …}."},
    {"a_text", "hello\n",
     "c.yaml:1:1: this file holds the string \"hello\". A configuration is a map of keys, such as "
     "model: {type: …}."},
    {"open_bracket", "seed: [1, 2\n",
     "c.yaml:2:1: this is no valid YAML: end of sequence flow not found. Close every { and [."},
    {"open_quote", "seed: \"1\n",
     "c.yaml:2:1: this is no valid YAML: illegal EOF in scalar. A quote that was opened before is "
     "never closed."},
    {"tab", "dist:\n\tbackend: gloo\n",
     "c.yaml:2:9: this is no valid YAML: illegal map value. Indent with spaces, not with tabs."},
    {"two_colons", "seed: 1: 2\n",
     "c.yaml:1:8: this is no valid YAML: illegal map value. Indent the keys of a map alike, and "
     "put a value with \": \" in quotes."},
    {"variable_in_flow", "model: {type: A, note: ${env:A,1}/b}\n",
     "c.yaml:1:25: this is no valid YAML: end of map flow not found. Inside of { } and [ ] put a "
     "value with ${…} in quotes."},
    {"undefined_alias", "seed: *s\n",
     "c.yaml:1:7: this is no valid YAML: the referenced anchor is not defined. Write &name where "
     "the value stands, before *name."},
    {"cyclic_alias", least + "hooks: &h {a: *h}\n",
     "c.yaml:5:15: the alias *h stands inside of &h itself, which would never end. Write the value "
     "out, or move the anchor."},
    {"cyclic_alias_list", least + "plugins: &p [*p]\n",
     "c.yaml:5:14: the alias *p stands inside of &p itself, which would never end. Write the value "
     "out, or move the anchor."},
    {"duplicate_key", least + "seed: 1\nseed: 2\n",
     "c.yaml:6:1: the key \"seed\" is given twice, first at c.yaml:5:1. Remove one of them."},
    {"duplicate_nested", "model: {type: TinyModel, hidden: 1, hidden: 2}\n" + least.substr(25),
     "c.yaml:1:37: the key \"hidden\" is given twice, first at c.yaml:1:26. Remove one of them."},
    {"two_documents", least + "---\nseed: 2\n",
     "c.yaml:5:1: a second YAML document begins here; a configuration is one document. Remove the "
     "\"---\" and what belongs to the other document."},
    {"list_as_key", least + "? [a, b]\n: 1\n",
     "c.yaml:5:3: a key must be a name, got a list of 2. Check the brackets and the indentation."},
    {"null_key", least + "~: 1\n",
     "c.yaml:5:1: a key must be a name, got null. Check the brackets and the indentation."},
    {"tag", least + "seed: !!python/int 3\n",
     "c.yaml:5:7: the tag !!python/int is not supported. Remove it; !!str or quotes make a "
     "string."},
    {"merge_of_scalar", least + "dist: {<<: 5}\n",
     "c.yaml:5:12: << takes a map or a list of maps, got the number 5. Write <<: *name with an "
     "anchor &name at a map."},
    {"not_utf8", least + "work_dir: \xff\xfe\n",
     "c.yaml:5:11: the byte 255 is neither text in UTF-8 nor allowed in YAML. Save the file as "
     "UTF-8."},
    {"control_character", std::string("seed: 1\nwork_dir: a\x04\n"),
     "c.yaml:2:12: the byte 4 is neither text in UTF-8 nor allowed in YAML. Save the file as "
     "UTF-8."},
    {"zero_character", least + "work_dir: \"a\\0b\"\n",
     "c.yaml:5:11: \"a\\x00b\" holds the character 0. Remove it."},
    {"billion_laughs",
     "a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
     "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, "
     "*c]\n"
     "e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, "
     "*e]\n",
     "c.yaml:6:8: the configuration grows beyond 200000 values here. Check for aliases that "
     "multiply."},
    {"too_deep", "a: " + std::string(70, '[') + std::string(70, ']') + "\n",
     "c.yaml:1:67: lists and maps are nested deeper than 64 levels here. Check the brackets and "
     "aliases."},
};
INSTANTIATE_TEST_SUITE_P(Yaml, RefusedConfig, testing::ValuesIn(not_yaml), case_name);

const Refused keys[] = {
    {"unknown_key", least + "sed: 1\n",
     "c.yaml:5:1: the configuration has no key \"sed\"; did you mean \"seed\"? It takes: " +
         all_keys + "."},
    {"unknown_key_without_neighbour", least + "xyzzy: 1\n",
     "c.yaml:5:1: the configuration has no key \"xyzzy\". It takes: " + all_keys + "."},
    {"unknown_key_in_section", least + "dist: {backnd: gloo}\n",
     "c.yaml:5:8: dist has no key \"backnd\"; did you mean \"backend\"? It takes: backend, "
     "init_method, world_size, timeout, require_secret."},
    {"unknown_key_in_loader",
     "model: {type: TinyModel}\n"
     "data: {train: {type: ListData, root: /d}, train_dataloader: {batchsize: 4}}\n"
     "optimizer: {type: AdamW}\ntotal_epochs: 1\n",
     "c.yaml:2:62: data.train_dataloader has no key \"batchsize\"; did you mean \"batch_size\"? It "
     "takes: batch_size, global_batch_size, num_workers, prefetch_factor, drop_last, shuffle, "
     "pin_memory, persistent_workers, sampler, on_error, max_errors."},
    {"unknown_option", least + "loss: {type: CrossEntropyLoss, reducton: sum}\n",
     "c.yaml:5:32: loss \"CrossEntropyLoss\" has no option \"reducton\"; did you mean "
     "\"reduction\"? It takes: weight, reduction, mapping, phases."},
    {"unknown_option_of_optimizer",
     "model: {type: TinyModel}\ndata: {train: {type: ListData, root: /d}}\n"
     "optimizer: {type: AdamW, beta: 0.9}\ntotal_epochs: 1\n",
     "c.yaml:3:26: optimizer \"AdamW\" has no option \"beta\"; did you mean \"betas\"? It takes: "
     "lr, betas, eps, weight_decay, amsgrad."},
    {"option_of_module_without_options", least + "hooks: {ddp: {type: DDPHook, find: 1}}\n",
     "c.yaml:5:30: hook \"DDPHook\" has no option \"find\". It takes: enable, enabled, priority."},
    {"missing_option",
     "model: {type: TinyModel}\ndata: {train: {type: ListData}}\noptimizer: {type: AdamW}\n"
     "total_epochs: 1\n",
     "c.yaml:2:15: dataset \"ListData\" needs the option \"root\" (folder of the data). Add "
     "\"root: …\"."},
    {"missing_nested_module", least + "hooks: {lr: {type: LrSchedulerHook}}\n",
     "c.yaml:5:13: hook \"LrSchedulerHook\" needs the option \"scheduler\" (the schedule). Add "
     "\"scheduler: {type: …}\"."},
    {"missing_module_given_as_null",
     least + "hooks: {lr: {type: LrSchedulerHook, scheduler: null}}\n",
     "c.yaml:5:48: hook \"LrSchedulerHook\" needs the option \"scheduler\" (the schedule). Add "
     "\"scheduler: {type: …}\"."},
    {"nothing_but_seed", "seed: 1\n",
     "c.yaml:1:1: the configuration needs the key \"model\" (the model). Add \"model: {type: "
     "…}\".\n"
     "c.yaml:1:1: the configuration needs the key \"data\" (the data sets and how they are read). "
     "Add \"data: {…}\".\n"
     "c.yaml:1:1: the configuration needs the key \"total_epochs\" or \"total_iters\" (how long "
     "the run is). Add \"total_epochs: 10\", for example.\n"
     "c.yaml:1:1: the configuration needs the key \"optimizer\" to train. Add \"optimizer: {type: "
     "…}\"."},
    {"no_length",
     "model: {type: TinyModel}\ndata: {train: {type: ListData, root: /d}}\n"
     "optimizer: {type: AdamW}\n",
     "c.yaml:1:1: the configuration needs the key \"total_epochs\" or \"total_iters\" (how long "
     "the run is). Add \"total_epochs: 10\", for example."},
    {"both_lengths", least + "total_iters: 5\n",
     "c.yaml:5:14: total_epochs and total_iters are both given. Remove one."},
    {"both_batch_sizes",
     least + "global_batch_size: 8\n",
     "c.yaml:5:20: global_batch_size is given here, and data.train_dataloader.batch_size too "
     "(command line, data.train_dataloader.batch_size=4). Remove one.",
     {"data.train_dataloader.batch_size=4"}},
    {"both_batch_sizes_in_loader",
     "model: {type: TinyModel}\ndata:\n  train: {type: ListData, root: /d}\n"
     "  train_dataloader: {batch_size: 4, global_batch_size: 8}\noptimizer: {type: AdamW}\n"
     "total_epochs: 1\n",
     "c.yaml:4:21: data.train_dataloader: batch_size (a rank's) and global_batch_size (of all "
     "ranks) are both given. Remove one."},
};
INSTANTIATE_TEST_SUITE_P(Keys, RefusedConfig, testing::ValuesIn(keys), case_name);

const Refused values[] = {
    {"integer_got_text", least + "seed: many\n",
     "c.yaml:5:7: seed must be an integer, got the string \"many\"."},
    {"integer_got_fraction", least + "seed: 1.5\n",
     "c.yaml:5:7: seed must be an integer, got the number 1.5."},
    {"integer_got_quoted", least + "seed: \"42\"\n",
     "c.yaml:5:7: seed must be an integer, got the string \"42\". Leave the quotes out."},
    {"integer_got_null", least + "seed:\n",
     "c.yaml:5:1: seed must be an integer, got null. Give a value, or leave the key out for the "
     "default."},
    {"integer_got_list", least + "seed: [1]\n",
     "c.yaml:5:7: seed must be an integer, got a list of 1."},
    {"integer_with_leading_zero", least + "seed: 007\n",
     "c.yaml:5:7: seed must be an integer, got the string \"007\"."},
    {"integer_with_underscores", least + "seed: 1_000\n",
     "c.yaml:5:7: seed must be an integer, got the string \"1_000\"."},
    {"integer_too_big", least + "seed: 99999999999999999999\n",
     "c.yaml:5:7: seed must be an integer that fits 64 bits, got the number 99999999999999999999."},
    {"int_too_big",
     least + "hooks: {m: {type: MetricHook, top1: {type: Accuracy, topk: 3000000000}}}\n",
     "c.yaml:5:60: hooks.m.top1.topk must be an integer that fits 32 bits, got the number "
     "3000000000."},
    {"below_minimum", least + "seed: -1\n", "c.yaml:5:7: seed must be at least 0, got -1."},
    {"number_got_text", "model: {type: TinyModel, dropout: high}\n" + least.substr(25),
     "c.yaml:1:35: model.dropout must be a number, got the string \"high\"."},
    {"outside_of_range", "model: {type: TinyModel, dropout: 1.5}\n" + least.substr(25),
     "c.yaml:1:35: model.dropout must be between 0 and 1, got 1.5."},
    {"nan_in_range", "model: {type: TinyModel, dropout: nan}\n" + least.substr(25),
     "c.yaml:1:35: model.dropout must be a finite number, got nan."},
    {"number_too_big", "model: {type: TinyModel, dropout: 1e999}\n" + least.substr(25),
     "c.yaml:1:35: model.dropout must be a number, got the string \"1e999\"."},
    {"bool_got_yes", "model: {type: TinyModel, bias: yes}\n" + least.substr(25),
     "c.yaml:1:32: model.bias must be true or false, got the string \"yes\". Write true."},
    {"bool_got_number", "model: {type: TinyModel, bias: 1}\n" + least.substr(25),
     "c.yaml:1:32: model.bias must be true or false, got the number 1."},
    {"string_got_list", least + "work_dir: [a]\n",
     "c.yaml:5:11: work_dir must be a string, got a list of 1."},
    {"string_got_map", least + "work_dir: {a: 1}\n",
     "c.yaml:5:11: work_dir must be a string, got a map of 1."},
    {"not_a_choice", "model: {type: TinyModel, activation: geluu}\n" + least.substr(25),
     "c.yaml:1:38: model.activation must be one of relu, gelu, got \"geluu\"; did you mean "
     "\"gelu\"?"},
    {"list_got_scalar", "model: {type: TinyModel, sizes: 3}\n" + least.substr(25),
     "c.yaml:1:33: model.sizes must be a list of integers, got the number 3. Write [3]."},
    {"wrong_list_entry", "model: {type: TinyModel, sizes: [3, x]}\n" + least.substr(25),
     "c.yaml:1:37: model.sizes[1] must be an integer, got the string \"x\"."},
    {"list_entry_below_minimum", "model: {type: TinyModel, sizes: [3, 0]}\n" + least.substr(25),
     "c.yaml:1:37: model.sizes[1] must be at least 1, got 0."},
    {"map_got_list", least + "hooks: {l: {type: LoggerHook, log_items: [lr]}}\n",
     "c.yaml:5:42: hooks.l.log_items must be a map of strings, got a list of 1."},
    {"section_got_scalar", least + "dist: gloo\n",
     "c.yaml:5:7: dist must be a map of keys, got the string \"gloo\"."},
    {"hooks_got_list", least + "hooks: [a]\n",
     "c.yaml:5:8: hooks must be a map of hook modules, got a list of 1."},
    {"rule",
     "model: {type: TinyModel}\ndata: {train: {type: ListData, root: /d}}\n"
     "optimizer: {type: AdamW, betas: [0.9]}\ntotal_epochs: 1\n",
     "c.yaml:3:12: optimizer \"AdamW\": betas must be two numbers."},
    {"strings_got_bool", least + "plugins: true\n",
     "c.yaml:5:10: plugins must be a list of strings, got true."},
    {"norm_eval_got_string", least + "norm_eval: bn\n",
     "c.yaml:5:12: norm_eval must be a list of regular expressions over module names, such as "
     "['^backbone'], or ['.*'] for all, got the string \"bn\"."},
    {"norm_eval_is_no_regular_expression", least + "norm_eval: [bn, '(bn']\n",
     "c.yaml:5:17: norm_eval[1]: \"(bn\" is no regular expression: Mismatched '(' and ')' in "
     "regular expression"},
    {"norm_eval_holds_a_list", least + "norm_eval: [[bn]]\n",
     "c.yaml:5:13: norm_eval[0] must be a string, got a list of 1."},
    {"pretrained_got_list", "model: {type: TinyModel, pretrained: [a]}\n" + least.substr(25),
     "c.yaml:1:38: model.pretrained must be a file, or a map of file, prefix and mapping, got a "
     "list of 1."},
    {"pretrained_empty", "model: {type: TinyModel, pretrained: \"\"}\n" + least.substr(25),
     "c.yaml:1:38: model.pretrained names no file. Give one, or leave the key out."},
    {"pretrained_without_file",
     "model: {type: TinyModel, pretrained: {prefix: a.}}\n" + least.substr(25),
     "c.yaml:1:38: model.pretrained needs the key \"file\" (the file of the weights). Add \"file: "
     "…\"."},
    {"pretrained_misspelt",
     "model: {type: TinyModel, pretrained: {file: a, prefx: a.}}\n" + least.substr(25),
     "c.yaml:1:48: model.pretrained has no key \"prefx\"; did you mean \"prefix\"? It takes: file, "
     "prefix, mapping."},
    {"pretrained_mapping_is_no_regex",
     "model: {type: TinyModel, pretrained: {file: a, mapping: {\"(\": b}}}\n" + least.substr(25),
     "c.yaml:1:38: model.pretrained: mapping: \"(\" is no regular expression: Mismatched '(' and "
     "')' in regular expression"},
    {"plugins_got_scalar", least + "plugins: libmy.so\n",
     "c.yaml:5:10: plugins must be a list of strings, got the string \"libmy.so\". Write "
     "[libmy.so]."},
    {"timeout_of_zero", least + "dist: {timeout: 0}\n",
     "c.yaml:5:17: dist.timeout must be above 0, at most 1000000, got 0."},
    {"bad_init_method", least + "dist:\n  init_method: tcp://host\n",
     "c.yaml:6:16: dist.init_method must be env://, tcp://host:port or file:///path, got "
     "\"tcp://host\"."},
    {"init_method_port", least + "dist: {init_method: \"tcp://host:99999\"}\n",
     "c.yaml:5:21: dist.init_method must be env://, tcp://host:port or file:///path, got "
     "\"tcp://host:99999\"."},
    {"init_method_relative_file", least + "dist: {init_method: \"file://here\"}\n",
     "c.yaml:5:21: dist.init_method must be env://, tcp://host:port or file:///path, got "
     "\"file://here\"."},
    {"unknown_backend", least + "dist: {backend: glo}\n",
     "c.yaml:5:17: dist.backend: unknown backend \"glo\"; did you mean \"gloo\"? Plugins loaded: "
     "fake. Or write auto."},
    {"unknown_device", least + "runtime: {device: tpu}\n",
     "c.yaml:5:19: runtime.device: unknown device \"tpu\"; did you mean \"cpu\"? Plugins loaded: "
     "fake. Or write auto."},
    {"dtype", least + "runtime: {dtype: float16}\n",
     "c.yaml:5:18: runtime.dtype must be one of float32, float64, got \"float16\"."},
};
INSTANTIATE_TEST_SUITE_P(Values, RefusedConfig, testing::ValuesIn(values), case_name);

const Refused modules[] = {
    {"unknown_module", "model: {type: TinyModle, hidden: 3}\n" + least.substr(25),
     "c.yaml:1:15: unknown model \"TinyModle\"; did you mean \"TinyModel\"? Plugins loaded: fake."},
    {"unknown_disabled_hook", least + "hooks: {w: {type: WandbHook, enable: false}}\n",
     "c.yaml:5:19: unknown hook \"WandbHook\". Plugins loaded: fake."},
    {"disabled_hook_with_mistake",
     least + "hooks: {l: {type: LoggerHook, enable: false, interval: 0}}\n",
     "c.yaml:5:56: hooks.l.interval must be at least 1, got 0."},
    {"module_got_name", least + "loss: CrossEntropyLoss\n",
     "c.yaml:5:7: loss must be a loss module, {type: …}, got the string \"CrossEntropyLoss\". "
     "Write {type: CrossEntropyLoss}."},
    {"no_type", least + "loss: {reduction: sum}\n",
     "c.yaml:5:7: loss has no \"type\", the name of a loss. Add one; ailab-run --list-modules loss "
     "lists them."},
    {"type_misspelt", least + "loss: {tpye: CrossEntropyLoss}\n",
     "c.yaml:5:8: loss has no \"type\"; is \"tpye\" a misspelling of it?"},
    {"type_is_list", least + "loss: {type: [CrossEntropyLoss]}\n",
     "c.yaml:5:14: loss.type must be a string, got a list of 1."},
    {"hook_misspelt", least + "hooks: {loger: {interval: 5}}\n",
     "c.yaml:5:9: hooks.loger has no \"type\"; did you mean logger: {type: LoggerHook}?"},
    {"hook_of_two_words", least + "hooks: {lr-sheduler: {by: iter}}\n",
     "c.yaml:5:9: hooks.lr-sheduler has no \"type\"; did you mean lr_scheduler: {type: "
     "LrSchedulerHook}?"},
    {"hook_without_its_type", least + "hooks: {metrics: {}}\n",
     "c.yaml:5:9: hooks.metrics has no \"type\"; did you mean metrics: {type: MetricHook}?"},
    {"hook_without_type", least + "hooks: {mine: {interval: 5}}\n",
     "c.yaml:5:9: hooks.mine has no \"type\", the name of a hook. Usual are metric: {type: "
     "MetricHook}, lr_scheduler: {type: LrSchedulerHook}, logger: {type: LoggerHook}, progress: "
     "{type: ProgressHook}, rude: {type: RudeHook}, ddp: {type: DDPHook}."},
    {"type_of_hook_misspelt", least + "hooks: {logger: {typ: LoggerHook}}\n",
     "c.yaml:5:18: hooks.logger has no \"type\"; is \"typ\" a misspelling of it?"},
    {"hook_is_null", least + "hooks: {ddp: null}\n",
     "c.yaml:5:14: hooks.ddp must be a hook module, {type: …}, got null. Give a value, or leave "
     "the key out for the default."},
    {"enable_and_enabled", least + "hooks: {d: {type: DDPHook, enable: true, enabled: false}}\n",
     "c.yaml:5:12: hook \"DDPHook\": enable and enabled are the same; give one."},
    {"priority_name", least + "hooks: {d: {type: DDPHook, priority: VERYHIGH}}\n",
     "c.yaml:5:38: hooks.d.priority must be an integer or one of VERY_HIGH, HIGH, ABOVE_NORMAL, "
     "NORMAL, BELOW_NORMAL, LOW, VERY_LOW, got \"VERYHIGH\"; did you mean \"VERY_HIGH\"?"},
    {"priority_range", least + "hooks: {d: {type: DDPHook, priority: 101}}\n",
     "c.yaml:5:38: hooks.d.priority must be between 0 and 100, got 101."},
    {"metric_phase",
     least + "hooks: {m: {type: MetricHook, top1: {type: Accuracy, phases: [train, valid]}}}\n",
     "c.yaml:5:70: hooks.m.top1.phases[1] must be one of train, val, test, got \"valid\"."},
    {"metric_without_a_phase",
     least + "hooks: {m: {type: MetricHook, top1: {type: Accuracy, phases: []}}}\n",
     "c.yaml:5:62: metric \"Accuracy\": phases is empty, so it would never be computed. Leave "
     "phases out for val and test, or remove the metric."},
    {"metric_is_no_module", least + "hooks: {m: {type: MetricHook, topk: 5}}\n",
     "c.yaml:5:31: hook \"MetricHook\" has no option \"topk\". It takes: enable, enabled, "
     "priority. "
     "Each other key is a metric module, {type: …}."},
    {"mapping_of_wrong_type", "model: {type: TinyModel, mapping: [image]}\n" + least.substr(25),
     "c.yaml:1:35: model.mapping must be a map of strings, got a list of 1."},
    {"key_of_another_kind", least + "loss: {type: CrossEntropyLoss, output_keys: [a]}\n",
     "c.yaml:5:32: loss \"CrossEntropyLoss\" has no option \"output_keys\". It takes: weight, "
     "reduction, mapping, phases."},
    {"loss_in_no_phase", least + "loss: {type: CrossEntropyLoss, phases: []}\n",
     "c.yaml:5:40: loss \"CrossEntropyLoss\": phases is empty, so it would never be computed. "
     "Leave phases out for all, or remove the loss."},
    {"unknown_transform",
     least,
     "command line, data.train.transforms=[{type: Flip}, {type: Flop}]: unknown transform "
     "\"Flop\"; did you mean \"Flip\"? Plugins loaded: fake.",
     {"data.train.transforms=[{type: Flip}, {type: Flop}]"}},
    {"option_named_like_a_common_key", least + "hooks: {r: {type: RudeHook}}\n",
     "c.yaml:5:12: hook \"RudeHook\" of libfake.so (fake.cpp:1) names an option \"priority\", "
     "which is a key of every hook. Rename the option in the plugin."},
    {"plugin_not_found", least + "plugins: [libmissing.so]\n",
     "c.yaml:5:11: plugin libmissing.so not found; looked in ./."},
    {"optimizer_of_named_ones",
     "model: {type: TinyModel}\ndata: {train: {type: ListData, root: /d}}\n"
     "optimizer: {gen: {type: AdamW}, dis: {type: Adam}}\ntotal_epochs: 1\n",
     "c.yaml:3:45: unknown optimizer \"Adam\"; did you mean \"AdamW\"? Plugins loaded: fake."},
    {"optimizer_type_misspelt",
     "model: {type: TinyModel}\ndata: {train: {type: ListData, root: /d}}\n"
     "optimizer: {typ: AdamW, lr: 0.1}\ntotal_epochs: 1\n",
     "c.yaml:3:13: optimizer has no \"type\"; is \"typ\" a misspelling of it?"},
};
INSTANTIATE_TEST_SUITE_P(Modules, RefusedConfig, testing::ValuesIn(modules), case_name);

const Refused workflow[] = {
    {"empty_workflow", least + "workflow: []\n",
     "c.yaml:5:11: workflow is empty. Write [[train, 1]], or leave it out."},
    {"phase", least + "workflow: [[trian, 1]]\n",
     "c.yaml:5:13: workflow[0][0] must be one of train, val, test, got \"trian\"; did you mean "
     "\"train\"?"},
    {"no_epochs", least + "workflow: [[train]]\n",
     "c.yaml:5:12: workflow[0] must be [phase, epochs] or {phase: …, iters: …}, got a list of 1. "
     "For example: [train, 1]."},
    {"zero_epochs", least + "workflow: [[train, 0]]\n",
     "c.yaml:5:20: workflow[0][1] must be between 1 and 1000000000, got 0."},
    {"flat", least + "workflow: [train, 1]\n",
     "c.yaml:5:12: workflow[0] must be [phase, epochs] or {phase: …, iters: …}, got the string "
     "\"train\". For example: [train, 1].\n"
     "c.yaml:5:19: workflow[1] must be [phase, epochs] or {phase: …, iters: …}, got the number 1. "
     "For example: [train, 1]."},
    {"scalar", least + "workflow: train\n",
     "c.yaml:5:11: workflow must be a list of [phase, epochs], got the string \"train\"."},
    {"epochs_and_iters", least + "workflow: [{phase: train, epochs: 1, iters: 2}]\n",
     "c.yaml:5:12: workflow[0]: epochs and iters are both given. Remove one."},
    {"unknown_key_in_step", least + "workflow: [{phase: train, iter: 2}]\n",
     "c.yaml:5:27: workflow[0] has no key \"iter\"; did you mean \"iters\"? It takes: phase, "
     "epochs, iters."},
    {"no_phase", least + "workflow: [{iters: 2}]\n",
     "c.yaml:5:12: workflow[0] needs the key \"phase\" (what is done). Add \"phase: …\"."},
    {"phase_without_data", least + "workflow:\n- [train, 1]\n- {phase: val}\n",
     "c.yaml:7:3: workflow[1] runs val, and there is no data.val. Add it, or leave the phase out."},
    {"default_without_data",
     "model: {type: TinyModel}\ndata: {val: {type: ListData, root: /d}}\noptimizer: {type: AdamW}\n"
     "total_epochs: 1\n",
     "c.yaml:2:7: the default workflow runs train, and there is no data.train. Add it, or leave "
     "the phase out."},
    {"iters_without_train",
     "model: {type: TinyModel}\ndata: {val: {type: ListData, root: /d}}\ntotal_iters: 1\n"
     "workflow: [[val, 1]]\n",
     "c.yaml:3:14: total_iters counts training iterations, and the workflow has no train phase. "
     "Give total_epochs."},
    {"no_optimizer",
     "model: {type: TinyModel}\ndata: {train: {type: ListData, root: /d}}\n"
     "total_epochs: 1\n",
     "c.yaml:1:1: the configuration needs the key \"optimizer\" to train. Add \"optimizer: {type: "
     "…}\"."},
};
INSTANTIATE_TEST_SUITE_P(Workflow, RefusedConfig, testing::ValuesIn(workflow), case_name);

const Refused variables[] = {
    {"unknown_variable", least + "work_dir: ${workdir}/x\n",
     "c.yaml:5:11: ${workdir} is unknown; did you mean ${work_dir}? There are: HOME, "
     "accumulative_counts, seed, val_interval, work_dir, total_epochs, env:NAME."},
    {"unset_environment", least + "work_dir: ${env:AILAB_TEST_UNSET}\n",
     "c.yaml:5:11: the environment variable \"AILAB_TEST_UNSET\" is not set. Set it, or give a "
     "default: ${env:AILAB_TEST_UNSET,default}."},
    {"environment_by_bare_name", least + "work_dir: ${PATH}\n",
     "c.yaml:5:11: ${PATH} is unknown; the environment variable is ${env:PATH}. There are: HOME, "
     "accumulative_counts, seed, val_interval, work_dir, total_epochs, env:NAME."},
    {"refers_to_itself", least + "work_dir: ${work_dir}/x\n",
     "c.yaml:5:11: ${work_dir} refers to itself: work_dir -> work_dir. Write the value out."},
    {"refers_in_a_circle", least + "work_dir: ${resume_from}\nresume_from: ${work_dir}\n",
     "c.yaml:5:11: ${resume_from} refers to itself: resume_from -> work_dir -> resume_from. Write "
     "the value out."},
    {"not_closed", least + "work_dir: \"${HOME/x\"\n",
     "c.yaml:5:11: \"${HOME/x\" has no closing \"}\". Write $${ for a ${ that is no variable."},
    {"stands_for_a_map", least + "work_dir: ${data}\n",
     "c.yaml:5:11: ${data} must stand for a single value, got a map of 1."},
    {"no_name", least + "work_dir: ${env:}\n",
     "c.yaml:5:11: ${env:} names no environment variable. Write ${env:NAME} or "
     "${env:NAME,default}."},
    {"wrong_type_of_value", least + "seed: ${work_dir}\n",
     "c.yaml:5:7: seed must be an integer, got the string \"./work_dir\"."},
};
INSTANTIATE_TEST_SUITE_P(Variables, RefusedConfig, testing::ValuesIn(variables), case_name);

const Refused refused_overrides[] = {
    {"not_key_value",
     least,
     "command line, seed: an override is key=value, as in data.train.root=/data.",
     {"seed"}},
    {"empty_key",
     least,
     "command line, =5: an override is key=value, as in data.train.root=/data.",
     {"=5"}},
    {"empty_part",
     least,
     "command line, data..train=5: an override is key=value, as in data.train.root=/data.",
     {"data..train=5"}},
    {"no_such_key",
     least,
     "command line, sed=5: the configuration has no key \"sed\"; did you mean \"seed\"? It "
     "takes: " +
         all_keys + ".",
     {"sed=5"}},
    {"no_such_option",
     least,
     "command line, model.hiden=5: model \"TinyModel\" has no option \"hiden\"; did you mean "
     "\"hidden\"? It takes: hidden, dropout, activation, sizes, bias, note, extra, mapping, "
     "output_keys, pretrained.",
     {"model.hiden=5"}},
    {"through_a_scalar",
     least,
     "command line, total_epochs.x=5: \"total_epochs\" is the number 1 and holds no key \"x\".",
     {"total_epochs.x=5"}},
    {"entry_out_of_range",
     least + "workflow: [[train, 1]]\n",
     "command line, workflow.1.0=val: \"workflow\" is a list of 1, which has no entry \"1\". "
     "Its only entry is 0.",
     {"workflow.1.0=val"}},
    {"entry_by_name",
     least + "workflow: [[train, 1]]\n",
     "command line, workflow.train=2: \"workflow\" is a list of 1, which has no entry "
     "\"train\". Its only entry is 0.",
     {"workflow.train=2"}},
    {"entry_of_default",
     least,
     "command line, workflow.0.1=2: \"workflow\" is not given, so it has no entry 0. Give the "
     "whole list: workflow=[…].",
     {"workflow.0.1=2"}},
    {"value_is_no_yaml",
     least,
     "command line, model.sizes=[1, 2: the value, at its character 6: this is no valid YAML: "
     "end of sequence flow not found. Close every { and [.",
     {"model.sizes=[1, 2"}},
    {"value_of_wrong_type",
     least,
     "command line, seed=x: seed must be an integer, got the string \"x\".",
     {"seed=x"}},
    {"infinity",
     least,
     "command line, dist.timeout=.inf: dist.timeout must be a finite number, got inf.",
     {"dist.timeout=.inf"}},
    {"not_a_number",
     least,
     "command line, dist.timeout=.nan: dist.timeout must be a finite number, got nan.",
     {"dist.timeout=.nan"}},
    // optimizer.type alone keeps what the file gives its optimizer.
    {"option_of_the_replaced_module",
     "model: {type: TinyModel}\ndata: {train: {type: ListData, root: /d}}\n"
     "optimizer: {type: SGD, momentum: 0.9}\ntotal_epochs: 1\n",
     "c.yaml:3:24: optimizer \"AdamW\" has no option \"momentum\". It takes: lr, betas, eps, "
     "weight_decay, amsgrad. The file gives it to the module that the command line replaces; "
     "optimizer='{type: AdamW, …}' replaces its options too.",
     {"optimizer.type=AdamW"}},
    {"option_of_the_replacing_module",
     "model: {type: TinyModel}\ndata: {train: {type: ListData, root: /d}}\n"
     "optimizer: {type: SGD}\ntotal_epochs: 1\n",
     "command line, optimizer.momentum=0.9: optimizer \"AdamW\" has no option \"momentum\". It "
     "takes: lr, betas, eps, weight_decay, amsgrad.",
     {"optimizer.type=AdamW", "optimizer.momentum=0.9"}},
    {"hook_misspelt",
     least + "hooks: {logger: {type: LoggerHook}}\n",
     "command line, hooks.loger.interval=5: hooks.loger has no \"type\"; did you mean "
     "\"logger\"?",
     {"hooks.loger.interval=5"}},
    {"norm_eval_is_true",
     least,
     "command line, norm_eval=true: norm_eval must be a list of regular expressions over module "
     "names, such as ['^backbone'], or ['.*'] for all, got true.",
     {"norm_eval=true"}},
    {"in_the_order_of_the_command_line",
     least,
     "command line, seed=x: seed must be an integer, got the string \"x\".\n"
     "command line, dist.timeout=x: dist.timeout must be a number, got the string \"x\".",
     {"seed=x", "dist.timeout=x"}},
    {"second_of_two",
     least,
     "command line, seed=x: seed must be an integer, got the string \"x\".",
     {"seed=1", "seed=x"}},
};
INSTANTIATE_TEST_SUITE_P(Overrides, RefusedConfig, testing::ValuesIn(refused_overrides), case_name);

}  // namespace
}  // namespace ailab
