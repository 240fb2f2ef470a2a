#include "export/export.hpp"

#include "ailab/error.hpp"
#include "config_words.hpp"

namespace ailab::app {
namespace {

Work read_export(const CommandLine& line) {
    const Options& options = line.options;
    const ConfigWords words = read_config_and_checkpoint(line);
    ExportRequest request;
    request.checkpoint = words.checkpoint;
    request.format = options.text("to");
    if (request.format.empty())
        throw ConfigError(
            concat("--to is missing; it takes: ", join(export_formats()), ".", see_help));
    request.output = options.text("output");
    if (request.output.empty())
        throw ConfigError(concat("-o FILE is missing: where the model is written.", see_help));
    request.force = options.flag("force");
    if (options.flag("with-plugins")) {
        if (request.format != "artifact")
            throw ConfigError(concat("--with-plugins goes with --to artifact.", see_help));
        request.options.set("with_plugins", Node(Node::Value(true)));
    }
    return [input = words.input, request] {
        export_model(input, request);
        return done;
    };
}

const Registration export_command{
    {.name = "export",
     .place = 40,
     .usage = {{"CONFIG CHECKPOINT [key=value ...]",
                "--to FORMAT -o FILE [--with-plugins] [--force]"}},
     .doc = "writes a trained model in a form for other programs, or as an artifact: one file for "
            "infer",
     .options = {option::config,
                 option::weights,
                 option::output,
                 option::force,
                 {.name = "to",
                  .value = "FORMAT",
                  .doc = "the form: an exporter of a plugin (--list-modules exporter), of the "
                         "built-in ones ",
                  .more = [] { return join(export_formats()); }},
                 {.name = "with-plugins",
                  .doc = "the artifact holds the plugins too",
                  .takes = Option::Takes::nothing}},
     .read = read_export}};

}  // namespace
}  // namespace ailab::app
