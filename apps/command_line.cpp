#include "command_line.hpp"

#include <algorithm>
#include <filesystem>

#include "ailab/error.hpp"
#include "distributed/launcher.hpp"

namespace ailab::app {
namespace {

const std::vector<std::string> progress_modes = {"auto", "bar", "plain", "off"};

/// A word that is too long to be a path is none.
bool is_file(const std::string& word) {
    std::error_code none;
    return std::filesystem::exists(word, none);
}

/// key=value; a file may have such a name.
bool is_override(const std::string& word) {
    const size_t sign = word.find('=');
    return sign != std::string::npos && sign > 0 && !is_file(word);
}

/// A first word that can only be meant as a command.
bool looks_like_command(const std::string& word) {
    return word.find_first_of("./=") == std::string::npos && !is_file(word);
}

/// A command that is an option, or nullptr.
const Command* given_as_option(const Options& options) {
    const Command* given = nullptr;
    for (const Command& command : commands())
        if (command.is_option() && options.given(command.options.front().name)) given = &command;
    return given;
}

/// Takes the command's name off the words.
const Command& take_command(std::vector<std::string>& words) {
    const Command* by_default = nullptr;
    for (const Command& command : commands()) {
        if (command.is_default) by_default = &command;
        if (command.is_option() || words.empty() || words.front() != command.name) continue;
        words.erase(words.begin());
        return command;
    }
    if (!words.empty() && looks_like_command(words.front()))
        throw ConfigError(concat("unknown command or missing file \"", words.front(), "\".",
                                 did_you_mean(words.front(), command_names()),
                                 " Commands: ", join(command_names()), ".", see_help));
    return *by_default;
}

/// "ailab-run test, ailab-run infer"; beside one that is an option "--list-modules, runs and
/// inspect".
std::string commands_text(const std::vector<const Command*>& list) {
    std::vector<std::string> options, words, typed;
    for (const Command* command : list) {
        (command->is_option() ? options : words).push_back(command->name);
        typed.push_back("ailab-run " + command->name);
    }
    if (options.empty()) return join(typed);
    options.insert(options.end(), words.begin(), words.end());
    if (options.size() == 1) return options.front();
    const std::string last = options.back();
    options.pop_back();
    return concat(join(options), " and ", last);
}

void check_options(const Options& options, const Command& command) {
    for (const Option& option : all_options()) {
        const std::vector<const Command*> takers = takers_of(option.name);
        if (takers.empty() || !options.given(option.name)) continue;
        if (std::find(takers.begin(), takers.end(), &command) == takers.end())
            throw ConfigError(
                concat("--", option.name, " goes with ", commands_text(takers), ".", see_help));
    }
}

}  // namespace

std::string take_word(std::vector<std::string>& words, const std::string& given,
                      const std::string& complaint) {
    if (!given.empty()) return given;
    if (words.empty() || is_override(words.front())) throw ConfigError(concat(complaint, see_help));
    std::string word = words.front();
    words.erase(words.begin());
    return word;
}

std::vector<std::string> take_overrides(std::vector<std::string>& words) {
    const auto first = std::stable_partition(
        words.begin(), words.end(), [](const std::string& word) { return !is_override(word); });
    std::vector<std::string> overrides(first, words.end());
    words.erase(first, words.end());
    return overrides;
}

void refuse_words(const CommandLine& line) {
    if (!line.words.empty())
        throw ConfigError(concat(line.command.name, " takes no configuration: \"",
                                 line.words.front(), "\" is too much.", see_help));
}

Task read_command_line(const std::vector<std::string>& arguments) {
    const Options options(arguments, all_options());
    const std::vector<std::string> plugins = options.items("plugins");
    const std::string launcher = options.choice("launcher", launcher_names());
    const std::string progress = options.choice("progress", progress_modes);
    std::vector<std::string> words = options.words();
    const Command* command = given_as_option(options);
    if (!command) {
        command = &take_command(words);
        check_options(options, *command);
    }
    return {*command, launcher,
            command->read({*command, options, std::move(words), plugins, options.text("work-dir"),
                           launcher, progress})};
}

}  // namespace ailab::app
