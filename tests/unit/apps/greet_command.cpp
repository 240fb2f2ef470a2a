// A command that is in no other file.
#include "ailab/error.hpp"
#include "command.hpp"

namespace ailab::app {
namespace {

Work read_greet(const CommandLine& line) {
    if (line.words.empty()) throw ConfigError(concat("nobody is given to greet.", see_help));
    const std::string greeting =
        concat(line.options.flag("loud") ? "HELLO " : "hello ", join(line.words), "\n");
    return [greeting] { return print(greeting); };
}

const Registration greet_command{
    {.name = "greet",
     .place = 15,
     .usage = {{"NAME...", "[--loud]"}},
     .doc = "says hello to each NAME",
     .options = {{.name = "loud", .doc = "louder", .takes = Option::Takes::nothing}},
     .read = read_greet}};

}  // namespace
}  // namespace ailab::app
