#include "command_line.hpp"
#include "schema/config_json_schema.hpp"

namespace ailab::app {
namespace {

Work read_json_schema(const CommandLine& line) {
    refuse_words(line);
    return [plugins = line.plugins] {
        load_plugins(plugins);
        return print(config_json_schema());
    };
}

const Registration json_schema_command{
    {.name = "--json-schema",
     .place = 210,
     .usage = {{"", "[--plugins FILES]"}},
     .options = {{.name = "json-schema",
                  .doc = "JSON Schema of a configuration with all modules, for editors: write it "
                         "to a file and name that at the head of the YAML, # yaml-language-server: "
                         "$schema=FILE",
                  .takes = Option::Takes::nothing}},
     .read = read_json_schema}};

}  // namespace
}  // namespace ailab::app
