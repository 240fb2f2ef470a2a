#include "config_words.hpp"
#include "run/train.hpp"

namespace ailab::app {
namespace {

Work read_test(const CommandLine& line) {
    const ConfigWords words = read_config_and_checkpoint(line);
    TestRequest request;
    request.checkpoint = words.checkpoint;
    request.views = line.options.items("tta");
    request.output = line.options.text("output");
    return [input = words.input, request, launcher = line.launcher] {
        return test(input, request, launcher);
    };
}

const Registration test_command{
    {.name = "test",
     .place = 20,
     .usage = {{"CONFIG CHECKPOINT [key=value ...]", "[--tta VIEWS] [-o FOLDER]"}},
     .doc = "metrics, predictions and a report of data.test (or data.val)",
     .options = {option::config,
                 option::weights,
                 option::output,
                 {.name = "tta",
                  .value = "VIEWS",
                  .doc = "flip, five_crops or both: the mean over several views of each image",
                  .takes = Option::Takes::values}},
     .read = read_test,
     .is_run = true}};

}  // namespace
}  // namespace ailab::app
