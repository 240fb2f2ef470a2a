#include "command_line.hpp"

#include <algorithm>
#include <filesystem>
#include <map>

#include "ailab/error.hpp"
#include "dist/launcher.hpp"
#include "options.hpp"
#include "serve/artifact_file.hpp"

namespace ailab::app {
namespace {

/// A word that is too long to be a path is none.
bool is_file(const std::string& word) {
    std::error_code none;
    return std::filesystem::exists(word, none);
}

const std::vector<std::pair<std::string, Action>> actions = {
    {"train", Action::train},     {"test", Action::test},
    {"infer", Action::infer},     {"export", Action::export_model},
    {"browse", Action::browse},   {"runs", Action::runs},
    {"compare", Action::compare}, {"inspect", Action::inspect},
    {"average", Action::average}, {"sign", Action::sign}};
const std::vector<std::string> phases = {"train", "val", "test"};
/// Options that go with some commands alone.
const std::map<std::string, std::vector<Action>> command_options = {
    {"config", {Action::train, Action::test, Action::infer, Action::export_model, Action::browse}},
    {"weights", {Action::test, Action::infer, Action::export_model}},
    {"input", {Action::infer}},
    {"output",
     {Action::browse, Action::test, Action::infer, Action::export_model, Action::compare,
      Action::average, Action::sign}},
    {"force",
     {Action::infer, Action::export_model, Action::compare, Action::average, Action::sign}},
    {"trust-plugins", {Action::infer}},
    {"public-key", {Action::infer, Action::inspect}},
    {"key", {Action::sign}},
    {"tta", {Action::test}},
    {"topk", {Action::infer}},
    {"scores", {Action::infer}},
    {"batch-size", {Action::infer}},
    {"device", {Action::infer}},
    {"threads", {Action::infer}},
    {"to", {Action::export_model}},
    {"with-plugins", {Action::export_model}},
    {"phase", {Action::browse}},
    {"count", {Action::browse}},
    {"sample", {Action::browse}},
    {"dry-run", {Action::train}}};
const std::vector<std::string> progress_modes = {"auto", "bar", "plain", "off"};

/// A first word that can only be meant as a command.
bool looks_like_command(const std::string& word) {
    return word.find_first_of("./=") == std::string::npos && !is_file(word);
}

std::vector<std::string> command_names() {
    std::vector<std::string> names;
    for (const auto& [name, action] : actions) names.push_back(name);
    return names;
}

std::string name_of(Action wanted) {
    for (const auto& [name, action] : actions)
        if (action == wanted) return name;
    return "";
}

/// Takes the command off the words; without one it is train.
Action take_command(std::vector<std::string>& words) {
    if (words.empty()) return Action::train;
    for (const auto& [name, action] : actions)
        if (words.front() == name) {
            words.erase(words.begin());
            return action;
        }
    if (looks_like_command(words.front()))
        throw ConfigError(concat("unknown command or missing file \"", words.front(), "\".",
                                 did_you_mean(words.front(), command_names()),
                                 " Commands: ", join(command_names()), ".", see_help));
    return Action::train;
}

/// key=value; a file may have such a name.
bool is_override(const std::string& word) {
    const size_t sign = word.find('=');
    return sign != std::string::npos && sign > 0 && !is_file(word);
}

/// Takes the overrides off the words.
std::vector<std::string> take_overrides(std::vector<std::string>& words) {
    const auto first = std::stable_partition(
        words.begin(), words.end(), [](const std::string& word) { return !is_override(word); });
    std::vector<std::string> overrides(first, words.end());
    words.erase(first, words.end());
    return overrides;
}

/// The first of the words, or what the option gives.
std::string take(std::vector<std::string>& words, const std::string& given,
                 const std::string& complaint) {
    if (!given.empty()) return given;
    if (words.empty() || is_override(words.front())) throw ConfigError(concat(complaint, see_help));
    std::string word = words.front();
    words.erase(words.begin());
    return word;
}

void refuse_rest(const std::vector<std::string>& words) {
    if (!words.empty())
        throw ConfigError(concat("\"", words.front(),
                                 "\" is no override: write key=value, for example "
                                 "optimizer.lr=0.01.",
                                 see_help));
}

void read_list_modules(const std::vector<std::string>& words, const Options& options,
                       CommandLine& line) {
    line.action = Action::list_modules;
    line.kind = options.text("list-modules");
    const size_t room = line.kind.empty() ? 1 : 0;
    if (words.size() > room)
        throw ConfigError(concat("--list-modules takes one kind and no more: \"", words[room],
                                 "\" is too much.", see_help));
    if (!words.empty()) line.kind = words.front();
}

void check_options(const Options& options, Action action) {
    for (const auto& [option, takers] : command_options) {
        if (!options.given(option)) continue;
        if (std::find(takers.begin(), takers.end(), action) != takers.end()) continue;
        std::vector<std::string> names;
        for (const Action taker : takers) names.push_back("ailab-run " + name_of(taker));
        throw ConfigError(concat("--", option, " goes with ", join(names), ".", see_help));
    }
}

void read_browse(const Options& options, BrowseRequest& request) {
    if (const std::string phase = options.choice("phase", phases); !phase.empty())
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
}

/// By its name, a file that a model was exported or saved to.
bool holds_weights(const std::string& word) {
    const std::string extension = std::filesystem::path(word).extension().string();
    const std::vector<std::string> known = {".onnx", ".pt", ".pth", ".safetensors", ".torchscript"};
    return std::find(known.begin(), known.end(), extension) != known.end() && !is_artifact(word);
}

void read_infer(const Options& options, std::vector<std::string> words, CommandLine& line) {
    InferRequest& request = line.infer;
    const std::string checkpoint = options.text("weights");
    if (line.config.empty() && !words.empty() && holds_weights(words.front()))
        throw ConfigError(
            concat(words.front(),
                   " is no configuration: infer takes CONFIG CHECKPOINT INPUT..., or an "
                   "artifact (export --to artifact) and INPUT....",
                   see_help));
    if (!line.config.empty() || !is_artifact(words.empty() ? "" : words.front())) {
        line.config = take(words, line.config,
                           "no model is given: ailab-run infer CONFIG CHECKPOINT INPUT..., or "
                           "ailab-run infer MODEL.ailab INPUT....");
        request.checkpoint =
            take(words, checkpoint,
                 "no checkpoint is given: ailab-run infer CONFIG CHECKPOINT INPUT....");
    } else {
        request.artifact = words.front();
        words.erase(words.begin());
    }
    request.trust_plugins = options.flag("trust-plugins");
    request.public_key = options.text("public-key");
    if (request.artifact.empty() && (request.trust_plugins || !request.public_key.empty()))
        throw ConfigError(concat(line.config,
                                 " is no artifact; --trust-plugins and --public-key are for those. "
                                 "The plugins that a configuration names are loaded as they are.",
                                 see_help));
    line.overrides = take_overrides(words);
    if (!request.artifact.empty() && !line.overrides.empty())
        throw ConfigError(concat(line.overrides[0],
                                 ": an artifact takes no overrides; change the "
                                 "configuration and export it again.",
                                 see_help));
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
}

void read_export(const Options& options, CommandLine& line) {
    ExportRequest& request = line.exported;
    request.format = options.choice("to", export_formats());
    if (request.format.empty())
        throw ConfigError(
            concat("--to is missing; it takes: ", join(export_formats()), ".", see_help));
    request.output = options.text("output");
    if (request.output.empty())
        throw ConfigError(concat("-o FILE is missing: where the model is written.", see_help));
    request.force = options.flag("force");
    request.with_plugins = options.flag("with-plugins");
    if (request.with_plugins && request.format != "artifact")
        throw ConfigError(concat("--with-plugins goes with --to artifact.", see_help));
}

/// CONFIG [CHECKPOINT] [key=value …], and what goes with the command.
void read_config_words(const Options& options, std::vector<std::string> words, CommandLine& line) {
    const std::string name = name_of(line.action);
    line.config = options.text("config");
    if (line.action == Action::infer) return read_infer(options, std::move(words), line);
    const bool tested = line.action == Action::test || line.action == Action::export_model;
    const std::string usage =
        line.action == Action::train || line.action == Action::browse
            ? "ailab-run [train|browse] CONFIG [key=value ...]."
            : concat("ailab-run ", name, " CONFIG CHECKPOINT [key=value ...].");
    line.config = take(words, line.config, concat("no configuration file is given: ", usage));
    if (tested)
        (line.action == Action::test ? line.test.checkpoint : line.exported.checkpoint) =
            take(words, options.text("weights"), concat("no checkpoint is given: ", usage));
    line.overrides = take_overrides(words);
    refuse_rest(words);
    if (line.action == Action::browse) read_browse(options, line.browse);
    if (line.action == Action::export_model) read_export(options, line);
    if (line.action == Action::test) {
        line.test.views = options.items("tta");
        line.test.output = options.text("output");
    }
}

bool is_tool(Action action) {
    return action == Action::runs || action == Action::compare || action == Action::inspect ||
           action == Action::average;
}

void read_tool(const Options& options, std::vector<std::string> words, CommandLine& line) {
    line.tool.paths = std::move(words);
    line.tool.output = options.text("output");
    line.tool.force = options.flag("force");
    line.tool.json = line.json;
    if (!line.work_dir.empty()) line.tool.work_dir = line.work_dir;
    line.tool.public_key = options.text("public-key");
    if (line.tool.paths.empty())
        throw ConfigError(concat(name_of(line.action), " needs ",
                                 line.action == Action::runs      ? "a work_dir"
                                 : line.action == Action::compare ? "two runs"
                                                                  : "a checkpoint",
                                 ".", see_help));
}

void read_sign(const Options& options, std::vector<std::string> words, CommandLine& line) {
    line.sign.artifact = take(words, "",
                              "no artifact is given: ailab-run sign MODEL.ailab --key "
                              "PRIVATE.pem.");
    if (!words.empty())
        throw ConfigError(
            concat("sign takes one artifact: \"", words.front(), "\" is too much.", see_help));
    line.sign.key = options.text("key");
    if (line.sign.key.empty())
        throw ConfigError(
            concat("--key FILE is missing: the private key; openssl genpkey "
                   "-algorithm ed25519 -out private.pem makes one.",
                   see_help));
    line.sign.output = options.text("output");
    line.sign.force = options.flag("force");
}

void refuse_words(const std::vector<std::string>& words, const std::string& option) {
    if (!words.empty())
        throw ConfigError(concat(option, " takes no configuration: \"", words.front(),
                                 "\" is too much.", see_help));
}

}  // namespace

CommandLine parse_command_line(const std::vector<std::string>& arguments) {
    const Options options(arguments);
    CommandLine line;
    line.plugins = options.items("plugins");
    line.work_dir = options.text("work-dir");
    line.launcher = options.choice("launcher", launcher_names());
    line.progress = options.choice("progress", progress_modes);
    line.json = options.flag("json");
    line.dry_run = options.flag("dry-run");
    const std::vector<std::string> words = options.words();

    if (options.flag("help")) {
        line.action = Action::help;
        return line;
    }
    if (options.flag("version")) {
        line.action = Action::version;
        return line;
    }
    if (options.given("describe")) {
        refuse_words(words, "--describe");
        line.action = Action::describe;
        line.plugin_to_describe = options.text("describe");
        return line;
    }
    if (options.flag("json-schema")) {
        refuse_words(words, "--json-schema");
        line.action = Action::json_schema;
        return line;
    }
    if (options.given("list-modules")) {
        read_list_modules(words, options, line);
        return line;
    }
    std::vector<std::string> rest = words;
    line.action = take_command(rest);
    check_options(options, line.action);
    if (is_tool(line.action)) {
        read_tool(options, std::move(rest), line);
        return line;
    }
    if (line.json)
        throw ConfigError(concat("--json goes with --list-modules, runs and inspect.", see_help));
    if (line.action == Action::sign)
        read_sign(options, std::move(rest), line);
    else
        read_config_words(options, std::move(rest), line);
    return line;
}

}  // namespace ailab::app
