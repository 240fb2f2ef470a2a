#include "run/train.hpp"

#include "config_words.hpp"

namespace ailab::app {
namespace {

Work read_train(const CommandLine& line) {
    ConfigInput input = read_config(line).input;
    input.dry_run = line.options.flag("dry-run");
    return [input, launcher = line.launcher] { return train(input, launcher); };
}

const Registration train_command{
    {.name = "train",
     .place = 10,
     .usage = {{"CONFIG [key=value ...]", "[options]"}},
     .doc = "runs the workflow of a configuration",
     .options = {option::config,
                 {.name = "dry-run",
                  .doc = "builds everything and runs two steps of each phase, in a folder of its "
                         "own",
                  .takes = Option::Takes::nothing}},
     .read = read_train,
     .is_run = true,
     .is_default = true}};

}  // namespace
}  // namespace ailab::app
