#include "config_words.hpp"

#include "ailab/error.hpp"

namespace ailab::app {
namespace {

/// "ailab-run test CONFIG CHECKPOINT [key=value ...]." Where no command needs to be named any that
/// takes these words may be meant: "ailab-run [train|browse] CONFIG [key=value ...]."
std::string form_of(const Command& command) {
    const std::string& words = command.usage.front().words;
    if (!command.is_default) return concat("ailab-run ", command.name, " ", words, ".");
    std::vector<std::string> names;
    for (const Command& other : commands())
        if (other.usage.front().words == words) names.push_back(other.name);
    return concat("ailab-run [", join(names, "|"), "] ", words, ".");
}

ConfigWords read_words(const CommandLine& line, bool with_checkpoint) {
    const std::string form = form_of(line.command);
    std::vector<std::string> words = line.words;
    ConfigWords read{general_input(line), ""};
    read.input.path = take_word(words, line.options.text("config"),
                                concat("no configuration file is given: ", form));
    if (with_checkpoint)
        read.checkpoint = take_word(words, line.options.text("weights"),
                                    concat("no checkpoint is given: ", form));
    read.input.overrides = take_overrides(words);
    if (!words.empty())
        throw ConfigError(concat("\"", words.front(),
                                 "\" is no override: write key=value, for example "
                                 "optimizer.lr=0.01.",
                                 see_help));
    return read;
}

}  // namespace

ConfigWords read_config(const CommandLine& line) {
    return read_words(line, false);
}

ConfigWords read_config_and_checkpoint(const CommandLine& line) {
    return read_words(line, true);
}

ConfigInput general_input(const CommandLine& line) {
    ConfigInput input;
    input.plugins = line.plugins;
    input.work_dir = line.work_dir;
    input.progress = line.progress;
    return input;
}

}  // namespace ailab::app
