#include "browse/browse.hpp"
#include "ailab/phase.hpp"

#include "ailab/error.hpp"
#include "config_words.hpp"

namespace ailab::app {
namespace {

Work read_browse(const CommandLine& line) {
    const Options& options = line.options;
    const ConfigInput input = read_config(line).input;
    BrowseRequest request;
    if (const std::string phase = options.choice("phase", phase_names()); !phase.empty())
        request.phase = phase;
    request.count = options.positive("count", request.count, 10'000);
    if (const std::string output = options.text("output"); !output.empty()) request.output = output;
    if (const std::string sample = options.text("sample"); !sample.empty()) {
        const size_t colon = sample.find(':');
        if (colon == std::string::npos)
            throw ConfigError(concat("--sample takes EPOCH:INDEX, for example 0:17, got \"", sample,
                                     "\".", see_help));
        request.sample = SampleNumber{whole_number("sample", sample.substr(0, colon)),
                                      whole_number("sample", sample.substr(colon + 1))};
    }
    return [input, request] {
        browse(input, request);
        return done;
    };
}

const Registration browse_command{
    {.name = "browse",
     .place = 50,
     .usage = {{"CONFIG [key=value ...]",
                "[--phase PHASE] [--count N] [--sample EPOCH:INDEX] [-o FILE]"}},
     .doc = "writes a page of images that the model is fed, each as it is read and as it is after "
            "its transforms, with labels (browse.png)",
     .options = {option::config,
                 option::output,
                 {.name = "phase", .value = "PHASE", .doc = "train, val or test"},
                 {.name = "count", .value = "N", .doc = "how many, 16 by default"},
                 {.name = "sample",
                  .value = "EPOCH:INDEX",
                  .doc = "3:17: sample 17 as epoch 3 sees it, its exact numbers too "
                         "(.safetensors)"}},
     .read = read_browse}};

}  // namespace
}  // namespace ailab::app
