// --progress, and the ProgressHook that a run has without being told.
#include <gtest/gtest.h>

#include "config_case.hpp"

namespace ailab {
namespace {

RunConfig parse_with(const std::string& hooks, const std::string& mode, bool watched = false) {
    fake::reset_host();
    ConfigInput input;
    input.progress = mode;
    input.watched = watched;
    return parse_config(least + hooks, "c.yaml", input);
}

std::string resolved_hooks(const RunConfig& config) {
    return config.resolved.find("hooks")->flow();
}

struct Row {
    std::string hooks, mode, resolved;
};

TEST(Progress, SetsTheModeOfTheHookOrAddsOne) {
    const std::string none = "{progress: {type: ProgressHook, mode: \"off\", enable: true}}";
    const std::vector<Row> table = {
        {"", "off", none},
        {"hooks:\n", "off", none},
        {"hooks: {}\n", "off", none},
        {"hooks: {bar: {type: ProgressHook, mode: bar}}\n", "off",
         "{bar: {type: ProgressHook, mode: \"off\", enable: true}}"},
        {"hooks: {bar: {type: fake/ProgressHook, enable: false}}\n", "bar",
         "{bar: {type: ProgressHook, mode: bar, enable: false}}"},
        {"hooks: {progress: {type: DDPHook}}\n", "auto",
         "{progress: {type: DDPHook, enable: true}, progress_bar: {type: ProgressHook, mode: auto, "
         "enable: true}}"},
        {"hooks: {bar: {type: ProgressHook, mode: bar}}\n", "",
         "{bar: {type: ProgressHook, mode: bar, enable: true}}"},
        {"hooks: {bar: {type: ProgressHook, mode: off}}\n", "",
         "{bar: {type: ProgressHook, mode: \"off\", enable: true}}"},
        {"", "", "{}"},
    };
    for (const Row& row : table)
        EXPECT_EQ(resolved_hooks(parse_with(row.hooks, row.mode)), row.resolved) << row.hooks;
}

TEST(Progress, SaysThatAWrongModeCameFromTheCommandLine) {
    try {
        parse_with("", "bra");
        FAIL() << "accepted";
    } catch (const ConfigError& error) {
        EXPECT_EQ(
            std::string(error.what()),
            "command line, --progress: hooks.progress.mode must be one of auto, bar, off, got "
            "\"bra\"; did you mean \"bar\"?");
    }
    try {
        parse_with("hooks: 3\n", "off");
        FAIL() << "accepted";
    } catch (const ConfigError& error) {
        EXPECT_EQ(std::string(error.what()).find("c.yaml:5:8: hooks"), 0u) << error.what();
    }
}

TEST(Progress, IsAddedToAWatchedRunThatNamesNone) {
    const std::string log = "hooks: {log: {type: LoggerHook}}\n";
    const RunConfig config = parse_with(log, "", true);
    ASSERT_EQ(config.hooks.size(), 2u);
    EXPECT_EQ(config.hooks[1].name, "progress");
    EXPECT_EQ(config.hooks[1].spec.type(), "ProgressHook");
    EXPECT_EQ(resolved_hooks(config), resolved_hooks(parse_with(log, "")));
    for (const std::string hooks : {"", "hooks:\n"})
        EXPECT_EQ(parse_with(hooks, "", true).hooks.size(), 1u) << hooks;
    for (const std::string enable : {"true", "false"})
        EXPECT_EQ(parse_with("hooks: {b: {type: ProgressHook, enable: " + enable + "}}\n", "", true)
                      .hooks.size(),
                  1u);
    // A hook of another type has the name.
    EXPECT_EQ(parse_with("hooks: {progress: {type: DDPHook}}\n", "", true).hooks[1].name,
              "progress_bar");
}

}  // namespace
}  // namespace ailab
