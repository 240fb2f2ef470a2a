#pragma once
#include <string>
#include <vector>

#include "browse/browse.hpp"
#include "export/export.hpp"
#include "run/train.hpp"
#include "serve/artifact_signature.hpp"
#include "serve/infer.hpp"
#include "tools/tools.hpp"

namespace ailab::app {

enum class Action {
    train,
    test,
    infer,
    export_model,
    browse,
    runs,
    compare,
    inspect,
    average,
    sign,
    list_modules,
    describe,
    json_schema,
    version,
    help
};

/// What the user asked for.
struct CommandLine {
    Action action = Action::help;
    std::string config;
    std::vector<std::string> overrides;  // key=value
    std::vector<std::string> plugins;
    std::string work_dir;
    std::string launcher;
    std::string progress;
    std::string kind;   // --list-modules
    bool json = false;  // --list-modules
    bool dry_run = false;
    std::string plugin_to_describe;
    BrowseRequest browse;
    TestRequest test;
    InferRequest infer;
    ExportRequest exported;
    SignRequest sign;
    ToolRequest tool;  // runs, compare, inspect, average
};

/// Throws ConfigError with what is wrong and what to type instead.
CommandLine parse_command_line(const std::vector<std::string>& arguments);

}  // namespace ailab::app
