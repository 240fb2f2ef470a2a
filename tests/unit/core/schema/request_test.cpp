// What a command makes of a configuration: a test, a dry run, a work_dir of the command line.
#include <gtest/gtest.h>

#include "config/formats.hpp"
#include "config_case.hpp"

namespace ailab {
namespace {

const std::string training = R"(work_dir: ./runs
resume_from: auto
load_from: weights.safetensors
plugins: [reports.so]
model: {type: TinyModel, hidden: 7, pretrained: first.safetensors}
data:
  train: {type: ListData, root: /t}
  val: {type: ListData, root: /v}
  train_dataloader: {drop_last: true}
  val_dataloader: {batch_size: 5}
global_batch_size: 64
optimizer: {type: AdamW}
workflow: [[train, 2], [val, 1]]
total_iters: 1000
accumulative_counts: 4
val_interval: 3
overfit_batches: 2
)";

RunConfig parse_as(const std::string& text, ConfigInput input) {
    fake::reset_host();
    return parse_config(text, "c.yaml", input);
}

ConfigInput a_test(const std::string& output = "") {
    ConfigInput input;
    input.test = TestRequest{.checkpoint = "best", .views = {"flip"}, .output = output};
    return input;
}

std::string complaint_of(const std::string& text, const ConfigInput& input) {
    try {
        parse_as(text, input);
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "accepted";
}

/// "test_logger: LoggerHook, …".
std::string hooks_of(const RunConfig& config) {
    std::vector<std::string> hooks;
    for (const NamedHook& hook : config.hooks)
        hooks.push_back(concat(hook.name, ": ", hook.spec.type()));
    return join(hooks);
}

TEST(ATest, IsOnePassThatTrainsNothing) {
    const RunConfig config = parse_as(training, a_test());
    ASSERT_EQ(config.workflow.size(), 1u);
    EXPECT_EQ(config.workflow[0].phase, "val");
    EXPECT_EQ(config.workflow[0].epochs, 1);
    EXPECT_EQ(config.total_epochs, 1);
    EXPECT_EQ(config.total_iters, std::nullopt);
    EXPECT_EQ(config.accumulative_counts, 1);
    EXPECT_EQ(config.val_interval, 1);
    EXPECT_EQ(config.overfit_batches, std::nullopt);
    EXPECT_EQ(config.resume_from, std::nullopt);
    EXPECT_EQ(config.load_from, std::nullopt);
    EXPECT_FALSE(config.model.pretrained);
    EXPECT_FALSE(config.data.train);
    EXPECT_TRUE(config.optimizers.empty());
}

TEST(ATest, KeepsTheModelAndTheDataThatItLooksAt) {
    const RunConfig config = parse_as(training, a_test());
    EXPECT_EQ(config.model.config.write().find("hidden")->as_int(), 7);
    EXPECT_TRUE(config.data.val);
    EXPECT_EQ(config.data.val_dataloader.batch_size, 5);
    EXPECT_FALSE(parse_as(training, {}).test);
    ASSERT_TRUE(config.test);
    EXPECT_EQ(config.test->checkpoint, "best");
    EXPECT_EQ(config.test->views, std::vector<std::string>{"flip"});
}

TEST(ATest, TakesTheTestDataWhereThereAreSome) {
    const std::string text =
        "model: {type: TinyModel}\n"
        "data: {val: {type: ListData, root: /v}, test: {type: ListData, root: /s}}\n"
        "plugins: [reports.so]\n"
        "total_epochs: 3\n"
        "workflow: [[val, 1]]\n";
    EXPECT_EQ(parse_as(text, a_test()).workflow[0].phase, "test");
}

TEST(ATest, WritesIntoAFolderOfItsOwnAndKnowsWhereItWasTrained) {
    ConfigInput here = a_test();
    here.work_dir = "/here";
    const struct {
        ConfigInput input;
        std::string work_dir, trained_in;
    } rows[] = {{a_test(), "./runs/test", "./runs"},
                {a_test("/out"), "/out", "./runs"},
                {here, "/here/test", "/here"}};
    for (const auto& row : rows) {
        const RunConfig config = parse_as(training, row.input);
        EXPECT_EQ(config.work_dir, row.work_dir);
        EXPECT_EQ(config.test->trained_in, row.trained_in);
    }
}

TEST(ATest, HasTheHooksThatItNeedsAUsersBeforeTheBuiltInOnes) {
    EXPECT_EQ(hooks_of(parse_as(training, a_test())),
              "test_logger: OwnLogger, test_metrics: MetricHook, test_predictions: "
              "PredictionsHook, test_report: ReportHook");
    // Those of the configuration count when they are enabled; a name that is taken stays.
    EXPECT_EQ(hooks_of(parse_as(training + "hooks:\n"
                                           "  log: {type: LoggerHook}\n"
                                           "  m: {type: MetricHook, enable: false}\n"
                                           "  test_metrics: {type: DDPHook}\n"
                                           "  r: {type: ReportHook}\n",
                                a_test())),
              "log: LoggerHook, m: MetricHook, test_metrics: DDPHook, r: ReportHook, "
              "test_metrics_hook: MetricHook, test_predictions: PredictionsHook");
}

TEST(ATest, SavesTheConfigurationAsItWasGiven) {
    EXPECT_EQ(to_yaml(parse_as(training, a_test()).resolved),
              to_yaml(parse_as(training, {}).resolved));
}

TEST(ATest, IsRefused) {
    ConfigInput misspelt = a_test();
    misspelt.overrides = {"optimizer.lrr=1"};
    const struct {
        std::string text;
        ConfigInput input;
        std::string complaint;
    } rows[] = {
        {"plugins: [reports.so]\n" + least, a_test(),
         "c.yaml:3:7: there is neither data.test nor data.val to test on; add one"},
        // A mistake is one also where the test would not come to it.
        {training, misspelt,
         "command line, optimizer.lrr=1: optimizer \"AdamW\" has no option \"lrr\"; did you mean "
         "\"lr\"? It takes: lr, betas, eps, weight_decay, amsgrad."},
    };
    for (const auto& row : rows) EXPECT_EQ(complaint_of(row.text, row.input), row.complaint);
    const std::string without = complaint_of(
        "model: {type: TinyModel}\ndata: {val: {type: ListData, root: /v}}\ntotal_epochs: 1\n"
        "workflow: [[val, 1]]\n",
        a_test());
    for (const char* role : {"predictions", "report"})
        EXPECT_NE(without.find(concat("no plugin has a hook with the role \"", role, "\"")),
                  std::string::npos)
            << without;
}

TEST(ADryRun, HasAFolderOfItsOwn) {
    ConfigInput input;
    input.dry_run = true;
    const std::string text = "work_dir: \"${env:AILAB_NOWHERE,/runs}\"\n" + least;
    const RunConfig config = parse_as(text, input);
    EXPECT_TRUE(config.dry_run);
    EXPECT_EQ(config.work_dir, "/runs/dry_run");
    EXPECT_EQ(to_yaml(config.resolved), to_yaml(parse_as(text, {}).resolved));
}

TEST(TheWorkDirOfTheCommandLine, CountsBeforeAllOthers) {
    ConfigInput input;
    input.work_dir = "/here";
    input.overrides = {"work_dir=/there"};
    const RunConfig config = parse_as("work_dir: /file\n" + least, input);
    EXPECT_EQ(config.work_dir, "/here");
    EXPECT_EQ(config.resolved.find("work_dir")->as_string(), "/here");
}

}  // namespace
}  // namespace ailab
