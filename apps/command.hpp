#pragma once
// The commands of ailab-run. Each is a file of apps/commands that registers it: its name, what may
// stand behind that, its options, and what it does. The parser, the help, docs/commands.md, the
// messages and what a launcher's ranks do follow from that.
#include <functional>
#include <string>
#include <vector>

#include "options.hpp"

namespace ailab::app {

/// Exit statuses.
inline constexpr int done = 0, run_failed = 1, wrong_input = 2;

struct Command;

/// A command line as the command that it names reads it.
struct CommandLine {
    const Command& command;
    const Options& options;
    std::vector<std::string> words;  // those behind the command's name
    // What every command takes:
    std::vector<std::string> plugins;
    std::string work_dir;
    std::string launcher;
    std::string progress;
};

/// What is done once the command line has been read; returns the exit status.
using Work = std::function<int()>;

struct Command {
    /// One form of the command line: "CONFIG [key=value ...]", "[-o FILE]".
    struct Usage {
        std::string words;
        std::string options;
    };

    /// The first word, or an option that stands for one: "infer", "--describe".
    std::string name;
    /// Where it stands among the others in lists: lower numbers first. Of several that are options
    /// the last one counts, so that --help behind anything is asked for help.
    int place = 0;
    std::vector<Usage> usage;
    /// What it does, for the help; "" for one that is an option, whose own doc says it.
    std::string doc;
    /// Those that it takes beside the general ones. One that is an option is itself the first.
    std::vector<Option> options;
    /// Reads the command line and gives what is to be done. On every rank, before a plugin is
    /// loaded or anything is written; throws ConfigError with what is wrong and what to type
    /// instead.
    Work (*read)(const CommandLine& line) = nullptr;
    /// All ranks of a launcher do it together, printing on standard error. Any other command is
    /// rank 0's alone, and has results for others to read on standard output.
    bool is_run = false;
    /// What is done where no command is named.
    bool is_default = false;

    bool is_option() const { return name.starts_with("--"); }
};

/// All of them, in their order.
const std::vector<Command>& commands();

/// `const Registration infer_command{{.name = "infer", …}};` at namespace scope registers one.
struct Registration {
    explicit Registration(Command command);
};

/// The options that every command takes.
const std::vector<Option>& general_options();
/// These and those of all commands, once each.
std::vector<Option> all_options();
/// The commands that take an option of their own, in their order.
std::vector<const Command*> takers_of(const std::string& option);
/// The names of the commands that are words.
std::vector<std::string> command_names();

/// Writes a result to standard output. Returns the exit status.
int print(const std::string& text);

void load_plugins(const std::vector<std::string>& plugins);

}  // namespace ailab::app
