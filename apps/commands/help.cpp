#include <algorithm>

#include "ailab/error.hpp"
#include "command.hpp"

namespace ailab::app {
namespace {

constexpr size_t page_width = 110, left_width = 25;

/// `left` in one column and `text`, broken at its blanks, in the other.
void add_row(std::string& page, const std::string& left, const std::string& text) {
    std::string line = "  " + left;
    if (line.size() + 2 > left_width) {
        page += line + "\n";
        line.clear();
    }
    line.resize(left_width, ' ');
    bool first = true;
    for (size_t begin = 0; begin < text.size();) {
        const size_t end = std::min(text.find(' ', begin), text.size());
        const std::string word = text.substr(begin, end - begin);
        if (!first && line.size() + 1 + word.size() > page_width) {
            page += line + "\n";
            line.assign(left_width, ' ');
            first = true;
        }
        line += (first ? "" : " ") + word;
        first = false;
        begin = end + 1;
    }
    page += line + "\n";
}

/// "ailab-run [train] CONFIG [key=value ...] [options]".
std::string usage_line(const Command& command, const Command::Usage& usage) {
    std::string line =
        concat("ailab-run ", command.is_default ? "[" + command.name + "]" : command.name);
    for (const std::string& part : {usage.words, usage.options})
        if (!part.empty()) line += " " + part;
    return line;
}

/// "-o, --output OUTPUT".
std::string option_text(const Option& option) {
    return concat(option.letter ? concat("-", std::string(1, option.letter), ", ") : "", "--",
                  option.name, option.value.empty() ? "" : " " + option.value);
}

/// An option of commands says whose it is.
void add_option(std::string& page, const Option& option) {
    std::vector<std::string> owners;
    for (const Command* taker : takers_of(option.name))
        if (taker->options.front().name != option.name || !taker->is_option())
            owners.push_back(taker->name);
    const std::string doc = option.doc + (option.more ? option.more() : "");
    add_row(page, option_text(option), owners.empty() ? doc : concat(join(owners), ": ", doc));
}

std::string help_text() {
    std::string page =
        R"(ailab-run trains what a YAML file describes, with models, data sets and losses from plugins, and tests,
runs and exports what was trained.

Usage
)";
    for (const Command& command : commands())
        for (const Command::Usage& usage : command.usage)
            page += "  " + usage_line(command, usage) + "\n";
    page += R"(
Examples
  ailab-run train.yaml
  mpirun -np 4 ailab-run --plugins libmy.so train.yaml
  ailab-run train.yaml optimizer.lr=0.01 total_epochs=5 workflow.0.1=2
  ailab-run test train.yaml best
  ailab-run infer train.yaml latest photos/ > predictions.jsonl
  ailab-run export train.yaml best --to onnx -o model.onnx
  ailab-run --list-modules model --plugins libmy.so

Commands
)";
    for (const Command& command : commands())
        if (!command.is_option()) add_row(page, command.name, command.doc);
    page += "\nOptions\n";
    for (const Option& option : all_options()) add_option(page, option);
    std::vector<std::string> runs;
    for (const Command& command : commands())
        if (command.is_run) runs.push_back(command.name);
    page += concat(R"(
Overrides change one value of the configuration: key=value, keys of nested maps and places in lists
joined by dots. The value is YAML: loss.weight=[1.0,2.0] hooks.logger.interval=10.

Several processes: under mpirun nothing else is needed; srun and torchrun-style variables (RANK,
WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT) are understood too. All ranks together do )",
                   join(runs, " and "), R"(;
every other command is done by rank 0 alone.

A plugin is code and runs with your rights: load only those that you trust.

Exit status: 0 done, 1 the run failed, 2 the command line or the configuration is wrong; when a signal
ends the run 128 and its number: 129 SIGHUP, 130 SIGINT (Ctrl-C), 143 SIGTERM.
)");
    return page;
}

Work read_help(const CommandLine&) {
    return [] { return print(help_text()); };
}

const Registration help_command{
    {.name = "--help",
     .place = 240,
     .usage = {{"", ""}},
     .options =
         {{.name = "help", .doc = "this text", .takes = Option::Takes::nothing, .letter = 'h'}},
     .read = read_help}};

}  // namespace
}  // namespace ailab::app
