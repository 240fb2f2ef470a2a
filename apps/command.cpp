#include "command.hpp"

#include <algorithm>
#include <cstdio>
#include <tuple>

#include "ailab/error.hpp"
#include "distributed/launcher.hpp"
#include "log/result_stream.hpp"
#include "plugin/plugin_host.hpp"

namespace ailab::app {
namespace {

/// Filled before main().
std::vector<Command>& registered_commands() {
    static std::vector<Command> commands;
    return commands;
}

bool takes(const Command& command, const std::string& option) {
    return std::any_of(command.options.begin(), command.options.end(),
                       [&](const Option& own) { return own.name == option; });
}

}  // namespace

Registration::Registration(Command command) {
    std::vector<Command>& commands = registered_commands();
    const auto behind = [](const Command& a, const Command& b) {
        return std::tie(a.place, a.name) < std::tie(b.place, b.name);
    };
    commands.insert(std::upper_bound(commands.begin(), commands.end(), command, behind), command);
}

const std::vector<Command>& commands() {
    return registered_commands();
}

const std::vector<Option>& general_options() {
    using Takes = Option::Takes;
    static const std::vector<Option> options = {
        {.name = "plugins",
         .value = "FILES",
         .doc = "plugins to load, separated by commas; may be repeated. A file is looked for as "
                "given, in the configuration's folder, in the folders of $AILAB_PLUGIN_PATH, and "
                "among the built-in plugins, which need not be named",
         .takes = Takes::values},
        {.name = "work-dir",
         .value = "FOLDER",
         .doc = "where runs are kept; the same as work_dir=FOLDER. For inspect and average: where "
                "latest and best are, ./work_dir by default"},
        {.name = "launcher",
         .value = "NAME",
         .doc = concat("who started the ranks: ", join(launcher_names()),
                       ". env is RANK and WORLD_SIZE, as of torchrun. By default the environment "
                       "tells")},
        {.name = "progress",
         .value = "MODE",
         .doc = "auto: a bar when stderr is a terminal; bar: always, for mpirun in a terminal; "
                "plain: a line now and then; off. The same as the ProgressHook's mode"}};
    return options;
}

std::vector<Option> all_options() {
    std::vector<Option> all = general_options();
    for (const Command& command : commands())
        for (const Option& option : command.options)
            if (std::none_of(all.begin(), all.end(),
                             [&](const Option& known) { return known.name == option.name; }))
                all.push_back(option);
    return all;
}

std::vector<const Command*> takers_of(const std::string& option) {
    std::vector<const Command*> takers;
    for (const Command& command : commands())
        if (takes(command, option)) takers.push_back(&command);
    return takers;
}

std::vector<std::string> command_names() {
    std::vector<std::string> names;
    for (const Command& command : commands())
        if (!command.is_option()) names.push_back(command.name);
    return names;
}

int print(const std::string& text) {
    const bool written = std::fwrite(text.data(), 1, text.size(), result_stream()) == text.size() &&
                         std::fflush(result_stream()) == 0;
    if (!written) std::perror("ailab-run: cannot write to standard output");
    return written ? done : run_failed;
}

void load_plugins(const std::vector<std::string>& plugins) {
    for (const std::string& plugin : plugins) PluginHost::instance().load(plugin);
}

}  // namespace ailab::app
