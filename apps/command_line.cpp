#include "command_line.hpp"

#include <algorithm>
#include <boost/program_options.hpp>
#include <charconv>
#include <filesystem>

#include "ailab/error.hpp"
#include "dist/launcher.hpp"

namespace po = boost::program_options;

namespace ailab::app {
namespace {

const std::vector<std::string> commands = {"train", "browse"};
const std::vector<std::string> phases = {"train", "val", "test"};
/// Options that go with one command alone.
const std::vector<std::string> browse_options = {"phase", "count", "sample", "output"};
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

/// [train|browse] CONFIG [key=value …]
void read_words(std::vector<std::string> words, CommandLine& line) {
    line.action = Action::train;
    if (!words.empty() &&
        std::find(commands.begin(), commands.end(), words.front()) != commands.end()) {
        if (words.front() == "browse") line.action = Action::browse;
        words.erase(words.begin());
    } else if (!words.empty() && looks_like_command(words.front()))
        throw ConfigError(concat("unknown command or missing file \"", words.front(), "\".",
                                 did_you_mean(words.front(), commands),
                                 " Commands: ", join(commands), ".", see_help));
    if (words.empty() || words.front().find('=') != std::string::npos)
        throw ConfigError(
            concat("no configuration file is given: ailab-run [train|browse] CONFIG "
                   "[key=value ...].",
                   see_help));
    line.config = words.front();
    line.overrides.assign(words.begin() + 1, words.end());
    for (const std::string& word : line.overrides)
        if (word.find('=') == std::string::npos || word.front() == '=')
            throw ConfigError(concat("\"", word,
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

void read_browse(const po::variables_map& values, CommandLine& line) {
    if (line.action != Action::browse) {
        for (const std::string& option : browse_options)
            if (values.count(option))
                throw ConfigError(concat("--", option, " goes with ailab-run browse.", see_help));
        return;
    }
    BrowseRequest& request = line.browse;
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
    if (line.json) throw ConfigError(concat("--json goes with --list-modules.", see_help));
    read_words(words, line);
    read_browse(values, line);
    return line;
}

}  // namespace ailab::app
