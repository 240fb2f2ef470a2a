#include "command_line.hpp"

#include <algorithm>
#include <boost/program_options.hpp>
#include <charconv>
#include <filesystem>
#include <map>

#include "ailab/error.hpp"
#include "dist/launcher.hpp"
#include "serve/artifact_file.hpp"

namespace po = boost::program_options;

namespace ailab::app {
namespace {

const std::vector<std::pair<std::string, Action>> actions = {
    {"train", Action::train},         {"test", Action::test},       {"infer", Action::infer},
    {"export", Action::export_model}, {"browse", Action::browse},   {"runs", Action::runs},
    {"compare", Action::compare},     {"inspect", Action::inspect}, {"average", Action::average}};
const std::vector<std::string> phases = {"train", "val", "test"};
/// Options that go with some commands alone.
const std::map<std::string, std::vector<Action>> command_options = {
    {"config", {Action::train, Action::test, Action::infer, Action::export_model, Action::browse}},
    {"weights", {Action::test, Action::infer, Action::export_model}},
    {"input", {Action::infer}},
    {"output",
     {Action::browse, Action::test, Action::infer, Action::export_model, Action::compare,
      Action::average}},
    {"force", {Action::infer, Action::export_model, Action::compare, Action::average}},
    {"tta", {Action::test}},
    {"topk", {Action::infer}},
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
const char* const see_help = " See ailab-run --help.";

po::options_description known_options() {
    po::options_description options;
    auto add = options.add_options();
    add("plugins", po::value<std::vector<std::string>>()->composing());
    add("work-dir", po::value<std::string>());
    add("launcher", po::value<std::string>());
    add("progress", po::value<std::string>());
    add("list-modules", po::value<std::string>()->implicit_value(""));
    add("dry-run", po::bool_switch());
    add("json", po::bool_switch());
    add("config,c", po::value<std::string>());
    add("weights,w", po::value<std::string>());
    add("input,i", po::value<std::vector<std::string>>()->composing());
    add("force", po::bool_switch());
    add("tta", po::value<std::string>());
    add("topk", po::value<std::string>());
    add("batch-size", po::value<std::string>());
    add("device", po::value<std::string>());
    add("threads", po::value<std::string>());
    add("to", po::value<std::string>());
    add("with-plugins", po::bool_switch());
    add("phase", po::value<std::string>());
    add("count", po::value<std::string>());
    add("sample", po::value<std::string>());
    add("output,o", po::value<std::string>());
    add("describe", po::value<std::string>());
    add("version", po::bool_switch());
    add("help,h", po::bool_switch());
    add("words", po::value<std::vector<std::string>>());
    return options;
}

std::vector<std::string> option_names() {
    std::vector<std::string> names;
    const po::options_description known = known_options();
    for (const auto& option : known.options())
        if (option->long_name() != "words") names.push_back("--" + option->long_name());
    return names;
}

std::string did_you_mean(const std::string& name, const std::vector<std::string>& known) {
    const std::string near = nearest_name(name, known);
    return near.empty() ? "" : concat(" Did you mean ", near, "?");
}

po::variables_map parse(const std::vector<std::string>& arguments) {
    namespace style = po::command_line_style;
    po::positional_options_description words;
    words.add("words", -1);
    po::variables_map values;
    try {
        const auto options = known_options();
        po::store(po::command_line_parser(arguments)
                      .options(options)
                      .positional(words)
                      .style(style::unix_style & ~style::allow_guessing)
                      .run(),
                  values);
    } catch (const po::unknown_option& e) {
        const std::string given = e.get_option_name();
        const std::string name = given.substr(0, given.find('='));
        throw ConfigError(
            concat("unknown option ", name, ".", did_you_mean(name, option_names()), see_help));
    } catch (const po::invalid_command_line_syntax& e) {
        throw ConfigError(concat("option ", e.get_option_name(),
                                 e.kind() == po::invalid_syntax::extra_parameter
                                     ? " takes no value."
                                     : " needs a value.",
                                 see_help));
    } catch (const po::multiple_occurrences& e) {
        throw ConfigError(
            concat("option ", e.get_option_name(), " is given more than once.", see_help));
    } catch (const po::error& e) {
        throw ConfigError(concat(e.what(), ".", see_help));
    }
    return values;
}

std::string text(const po::variables_map& values, const std::string& name) {
    return values.count(name) ? values[name].as<std::string>() : "";
}

std::vector<std::string> texts(const po::variables_map& values, const std::string& name) {
    return values.count(name) ? values[name].as<std::vector<std::string>>()
                              : std::vector<std::string>();
}

/// --plugins a.so,b.so --plugins c.so
std::vector<std::string> split_at_commas(const std::vector<std::string>& values) {
    std::vector<std::string> items;
    for (const std::string& value : values)
        for (size_t start = 0; start <= value.size();) {
            const size_t end = std::min(value.find(',', start), value.size());
            if (end > start) items.push_back(value.substr(start, end - start));
            start = end + 1;
        }
    return items;
}

/// A first word that can only be meant as a command.
bool looks_like_command(const std::string& word) {
    return word.find_first_of("./=") == std::string::npos && !std::filesystem::exists(word);
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
    return sign != std::string::npos && sign > 0 && !std::filesystem::exists(word);
}

/// Takes the overrides off the words.
std::vector<std::string> take_overrides(std::vector<std::string>& words) {
    std::vector<std::string> overrides;
    std::erase_if(words, [&](const std::string& word) {
        if (is_override(word)) overrides.push_back(word);
        return is_override(word);
    });
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

void read_list_modules(const std::vector<std::string>& words, const po::variables_map& values,
                       CommandLine& line) {
    line.action = Action::list_modules;
    line.kind = text(values, "list-modules");
    const size_t room = line.kind.empty() ? 1 : 0;
    if (words.size() > room)
        throw ConfigError(concat("--list-modules takes one kind and no more: \"", words[room],
                                 "\" is too much.", see_help));
    if (!words.empty()) line.kind = words.front();
}

/// The value of an option that takes one of a few; "" when it is not given.
std::string choice(const po::variables_map& values, const std::string& option,
                   const std::vector<std::string>& choices) {
    const std::string value = text(values, option);
    if (value.empty() || std::find(choices.begin(), choices.end(), value) != choices.end())
        return value;
    throw ConfigError(concat("--", option, " ", value, " is unknown.", did_you_mean(value, choices),
                             " It takes: ", join(choices), "."));
}

/// The whole of `text` as a number of 0 or more.
int64_t number(const std::string& option, const std::string& text) {
    int64_t value = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 0)
        throw ConfigError(
            concat("--", option, " takes a whole number, got \"", text, "\".", see_help));
    return value;
}

void check_options(const po::variables_map& values, Action action) {
    for (const auto& [option, takers] : command_options) {
        const auto value = values.find(option);
        if (value == values.end() || value->second.defaulted()) continue;
        if (std::find(takers.begin(), takers.end(), action) != takers.end()) continue;
        std::vector<std::string> names;
        for (const Action taker : takers) names.push_back("ailab-run " + name_of(taker));
        throw ConfigError(concat("--", option, " goes with ", join(names), ".", see_help));
    }
}

void read_browse(const po::variables_map& values, BrowseRequest& request) {
    if (const std::string phase = choice(values, "phase", phases); !phase.empty())
        request.phase = phase;
    if (const std::string count = text(values, "count"); !count.empty())
        request.count = number("count", count);
    if (request.count == 0) throw ConfigError(concat("--count must be at least 1.", see_help));
    if (const std::string output = text(values, "output"); !output.empty()) request.output = output;
    if (const std::string sample = text(values, "sample"); !sample.empty()) {
        const size_t colon = sample.find(':');
        if (colon == std::string::npos)
            throw ConfigError(concat("--sample takes EPOCH:INDEX, for example 0:17, got \"", sample,
                                     "\".", see_help));
        request.sample = SampleNumber{number("sample", sample.substr(0, colon)),
                                      number("sample", sample.substr(colon + 1))};
    }
}

int64_t positive(const po::variables_map& values, const std::string& option, int64_t usual) {
    const std::string given = text(values, option);
    if (given.empty()) return usual;
    const int64_t value = number(option, given);
    if (value == 0) throw ConfigError(concat("--", option, " must be at least 1.", see_help));
    return value;
}

void read_infer(const po::variables_map& values, std::vector<std::string> words,
                CommandLine& line) {
    InferRequest& request = line.infer;
    const std::string checkpoint = text(values, "weights");
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
    line.overrides = take_overrides(words);
    request.inputs = texts(values, "input");
    request.inputs.insert(request.inputs.end(), words.begin(), words.end());
    if (request.inputs.empty())
        throw ConfigError(
            concat("no input is given: image files, folders, patterns, .safetensors, "
                   "or - for a list on standard input.",
                   see_help));
    request.output = text(values, "output");
    request.force = values["force"].as<bool>();
    request.topk = positive(values, "topk", request.topk);
    request.batch_size = positive(values, "batch-size", 0);
    request.threads = int(positive(values, "threads", 0));
    if (const std::string device = text(values, "device"); !device.empty()) request.device = device;
    request.progress = line.progress != "off" && line.progress != "plain";
}

void read_export(const po::variables_map& values, CommandLine& line) {
    ExportRequest& request = line.exported;
    request.format = choice(values, "to", export_formats());
    if (request.format.empty())
        throw ConfigError(
            concat("--to is missing; it takes: ", join(export_formats()), ".", see_help));
    request.output = text(values, "output");
    if (request.output.empty())
        throw ConfigError(concat("-o FILE is missing: where the model is written.", see_help));
    request.force = values["force"].as<bool>();
    request.with_plugins = values["with-plugins"].as<bool>();
    if (request.with_plugins && request.format != "artifact")
        throw ConfigError(concat("--with-plugins goes with --to artifact.", see_help));
}

/// CONFIG [CHECKPOINT] [key=value …], and what goes with the command.
void read_config_words(const po::variables_map& values, std::vector<std::string> words,
                       CommandLine& line) {
    const std::string name = name_of(line.action);
    line.config = text(values, "config");
    if (line.action == Action::infer) return read_infer(values, std::move(words), line);
    const bool tested = line.action == Action::test || line.action == Action::export_model;
    const std::string usage =
        line.action == Action::train || line.action == Action::browse
            ? "ailab-run [train|browse] CONFIG [key=value ...]."
            : concat("ailab-run ", name, " CONFIG CHECKPOINT [key=value ...].");
    line.config = take(words, line.config, concat("no configuration file is given: ", usage));
    if (tested)
        (line.action == Action::test ? line.test.checkpoint : line.exported.checkpoint) =
            take(words, text(values, "weights"), concat("no checkpoint is given: ", usage));
    line.overrides = take_overrides(words);
    refuse_rest(words);
    if (line.action == Action::browse) read_browse(values, line.browse);
    if (line.action == Action::export_model) read_export(values, line);
    if (line.action == Action::test) {
        line.test.views = split_at_commas({text(values, "tta")});
        line.test.output = text(values, "output");
    }
}

bool is_tool(Action action) {
    return action == Action::runs || action == Action::compare || action == Action::inspect ||
           action == Action::average;
}

void read_tool(const po::variables_map& values, std::vector<std::string> words, CommandLine& line) {
    line.tool.paths = std::move(words);
    line.tool.output = text(values, "output");
    line.tool.force = values["force"].as<bool>();
    line.tool.json = line.json;
    if (line.tool.paths.empty())
        throw ConfigError(concat("ailab-run ", name_of(line.action), " needs ",
                                 line.action == Action::runs      ? "a work_dir"
                                 : line.action == Action::compare ? "two runs"
                                                                  : "a checkpoint",
                                 ".", see_help));
}

void refuse_words(const std::vector<std::string>& words, const std::string& option) {
    if (!words.empty())
        throw ConfigError(concat(option, " takes no configuration: \"", words.front(),
                                 "\" is too much.", see_help));
}

}  // namespace

CommandLine parse_command_line(const std::vector<std::string>& arguments) {
    const po::variables_map values = parse(arguments);
    CommandLine line;
    line.plugins = split_at_commas(texts(values, "plugins"));
    line.work_dir = text(values, "work-dir");
    line.launcher = choice(values, "launcher", launcher_names());
    line.progress = choice(values, "progress", progress_modes);
    line.json = values["json"].as<bool>();
    line.dry_run = values["dry-run"].as<bool>();
    const std::vector<std::string> words = texts(values, "words");

    if (values["help"].as<bool>()) {
        line.action = Action::help;
        return line;
    }
    if (values["version"].as<bool>()) {
        line.action = Action::version;
        return line;
    }
    if (values.count("describe")) {
        refuse_words(words, "--describe");
        line.action = Action::describe;
        line.plugin_to_describe = text(values, "describe");
        return line;
    }
    if (values.count("list-modules")) {
        read_list_modules(words, values, line);
        return line;
    }
    std::vector<std::string> rest = words;
    line.action = take_command(rest);
    check_options(values, line.action);
    if (is_tool(line.action)) {
        read_tool(values, std::move(rest), line);
        return line;
    }
    if (line.json)
        throw ConfigError(concat("--json goes with --list-modules, runs and inspect.", see_help));
    read_config_words(values, std::move(rest), line);
    return line;
}

}  // namespace ailab::app
