#include "command_line.hpp"
#include "plugin/plugin_host.hpp"
#include "schema/common_keys.hpp"

namespace ailab::app {
namespace {

Work read_describe(const CommandLine& line) {
    refuse_words(line);
    return [plugin = line.options.text("describe")] {
        return print(PluginHost::instance().describe(plugin, describe_common_options) + "\n");
    };
}

const Registration describe_command{
    {.name = "--describe",
     .place = 220,
     .usage = {{"PLUGIN.so", ""}},
     .options = {{.name = "describe",
                  .value = "PLUGIN.so",
                  .doc = "the modules of a plugin, their options and the keys that their kind has "
                         "in common, as JSON"}},
     .read = read_describe}};

}  // namespace
}  // namespace ailab::app
