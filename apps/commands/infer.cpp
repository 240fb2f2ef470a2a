#include "serve/infer.hpp"

#include <algorithm>
#include <filesystem>

#include "ailab/error.hpp"
#include "config_words.hpp"
#include "serve/artifact_file.hpp"

namespace ailab::app {
namespace {

/// By its name, a file that a model was exported or saved to.
bool holds_weights(const std::string& word) {
    const std::string extension = std::filesystem::path(word).extension().string();
    const std::vector<std::string> known = {".onnx", ".pt", ".pth", ".safetensors", ".torchscript"};
    return std::find(known.begin(), known.end(), extension) != known.end() && !is_artifact(word);
}

/// CONFIG CHECKPOINT, or an artifact.
void take_model(const Options& options, std::vector<std::string>& words, InferRequest& request) {
    const std::string config = options.text("config");
    if (config.empty() && !words.empty() && holds_weights(words.front()))
        throw ConfigError(
            concat(words.front(),
                   " is no configuration: infer takes CONFIG CHECKPOINT INPUT..., or an "
                   "artifact (export --to artifact) and INPUT....",
                   see_help));
    if (config.empty() && is_artifact(words.empty() ? "" : words.front())) {
        request.artifact = take_word(words, "", "");
        return;
    }
    request.config.path = take_word(words, config,
                                    "no model is given: ailab-run infer CONFIG CHECKPOINT "
                                    "INPUT..., or ailab-run infer MODEL.ailab INPUT....");
    request.checkpoint =
        take_word(words, options.text("weights"),
                  "no checkpoint is given: ailab-run infer CONFIG CHECKPOINT INPUT....");
}

/// What goes with an artifact alone, and what does not.
void check_artifact_options(const InferRequest& request) {
    if (request.artifact.empty() && (request.trust_plugins || !request.public_key.empty()))
        throw ConfigError(concat(request.config.path,
                                 " is no artifact; --trust-plugins and --public-key are for those. "
                                 "The plugins that a configuration names are loaded as they are.",
                                 see_help));
    if (!request.artifact.empty() && !request.config.overrides.empty())
        throw ConfigError(concat(request.config.overrides[0],
                                 ": an artifact takes no overrides; change the "
                                 "configuration and export it again.",
                                 see_help));
}

Work read_infer(const CommandLine& line) {
    const Options& options = line.options;
    std::vector<std::string> words = line.words;
    InferRequest request;
    request.config = general_input(line);
    take_model(options, words, request);
    request.trust_plugins = options.flag("trust-plugins");
    request.public_key = options.text("public-key");
    request.config.overrides = take_overrides(words);
    check_artifact_options(request);
    request.inputs = options.texts("input");
    request.inputs.insert(request.inputs.end(), words.begin(), words.end());
    if (request.inputs.empty())
        throw ConfigError(
            concat("no input is given: image files, folders, patterns, .safetensors, "
                   "or - for a list on standard input.",
                   see_help));
    request.output = options.text("output");
    request.force = options.flag("force");
    request.topk = options.positive("topk", request.topk, 1'000'000'000);
    request.scores = options.flag("scores");
    request.batch_size = options.positive("batch-size", 0, 1'000'000);
    request.threads = int(options.positive("threads", 0, 1024));
    if (const std::string device = options.text("device"); !device.empty()) request.device = device;
    request.progress = line.progress != "off" && line.progress != "plain";
    return [request] { return infer(request) == 0 ? done : run_failed; };
}

const Registration infer_command{
    {.name = "infer",
     .place = 30,
     .usage = {{"CONFIG CHECKPOINT INPUT... [key=value ...]", "[-o FILE] [--topk N]"},
               {"MODEL.ailab INPUT...",
                "[-o FILE] [--topk N] [--trust-plugins] [--public-key FILE]"}},
     .doc = "a JSON line for each INPUT: image files, folders, patterns, .safetensors of inputs, "
            "and the lines of standard input (-). MODEL.ailab is an artifact, see export",
     .options = {option::config,
                 option::weights,
                 {.name = "input",
                  .value = "INPUT",
                  .doc = "the same as a word INPUT",
                  .takes = Option::Takes::values,
                  .letter = 'i'},
                 option::output,
                 option::force,
                 {.name = "topk", .value = "N", .doc = "so many classes of each, 5 by default"},
                 {.name = "scores",
                  .doc = "all values of outputs of more than 1,000, too",
                  .takes = Option::Takes::nothing},
                 {.name = "batch-size",
                  .value = "N",
                  .doc = "so many images together; chosen by itself if it is not given"},
                 {.name = "threads",
                  .value = "N",
                  .doc = "compute threads; chosen from the cores if it is not given"},
                 {.name = "device", .value = "DEVICE", .doc = "auto, cpu or cuda"},
                 {.name = "trust-plugins",
                  .doc =
                      "the plugins that an artifact brings, in it or beside it, may run: without "
                      "this, or --public-key, they do not",
                  .takes = Option::Takes::nothing},
                 option::public_key},
     .read = read_infer}};

}  // namespace
}  // namespace ailab::app
