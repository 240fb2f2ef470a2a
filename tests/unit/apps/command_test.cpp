// The table of commands: what follows from a command's file, and what each of them must say.
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <set>

#include "ailab/error.hpp"
#include "command_line.hpp"

namespace ailab::app {
namespace {

std::string printed(const std::vector<std::string>& arguments) {
    const Task task = read_command_line(arguments);
    testing::internal::CaptureStdout();
    EXPECT_EQ(task.work(), done);
    return testing::internal::GetCapturedStdout();
}

std::string complaint(const std::vector<std::string>& arguments) {
    try {
        read_command_line(arguments);
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "accepted";
}

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// ---- greet_command.cpp adds a command, and nothing else knows of it

TEST(ACommandOfOneFile, IsDone) {
    EXPECT_EQ(printed({"greet", "Ada"}), "hello Ada\n");
    EXPECT_EQ(printed({"--loud", "greet", "Ada", "Alan"}), "HELLO Ada, Alan\n");
    EXPECT_EQ(complaint({"greet"}), "nobody is given to greet. See ailab-run --help.");
}

TEST(ACommandOfOneFile, IsInTheHelp) {
    const std::string help = printed({"--help"});
    EXPECT_TRUE(holds(help, "\n  ailab-run greet NAME... [--loud]\n")) << help;
    EXPECT_TRUE(holds(help, "\n  greet                  says hello to each NAME\n")) << help;
    EXPECT_TRUE(holds(help, "\n  --loud                 greet: louder\n")) << help;
}

TEST(ACommandOfOneFile, IsInTheMessages) {
    EXPECT_EQ(complaint({"gret"}),
              "unknown command or missing file \"gret\". Did you mean greet? Commands: train, "
              "greet, test, infer, export, browse, runs, compare, inspect, average, sign. See "
              "ailab-run --help.");
    EXPECT_EQ(complaint({"test", "c.yaml", "best", "--loud"}),
              "--loud goes with ailab-run greet. See ailab-run --help.");
    EXPECT_EQ(complaint({"--lout"}),
              "unknown option --lout. Did you mean --loud? See ailab-run --help.");
    EXPECT_EQ(complaint({"greet", "Ada", "--json"}),
              "--json goes with --list-modules, runs and inspect. See ailab-run --help.");
}

TEST(ACommandOfOneFile, IsDoneByRank0Alone) {
    EXPECT_FALSE(read_command_line({"greet", "Ada"}).command.is_run);
}

// ---- all of them

TEST(Commands, ThatAreRunsAreTheseAlone) {
    std::vector<std::string> runs;
    for (const Command& command : commands())
        if (command.is_run) runs.push_back(command.name);
    EXPECT_EQ(runs, (std::vector<std::string>{"train", "test"}));
    EXPECT_EQ(read_command_line({"c.yaml"}).command.name, "train");
}

TEST(Commands, SayWhatTheyAre) {
    for (const Command& command : commands()) {
        SCOPED_TRACE(command.name);
        ASSERT_FALSE(command.usage.empty());
        EXPECT_TRUE(command.read);
        if (command.is_option())
            EXPECT_EQ("--" + command.options.at(0).name, command.name);
        else
            EXPECT_FALSE(command.doc.empty());
    }
}

TEST(Commands, HaveNamesAndPlacesOfTheirOwn) {
    std::set<std::string> names;
    std::set<int> places;
    for (const Command& command : commands()) {
        EXPECT_TRUE(names.insert(command.name).second) << command.name;
        EXPECT_TRUE(places.insert(command.place).second) << command.name;
    }
}

/// Two commands may take the same option, and not two options of one name.
TEST(Options, MeanTheSameToEachCommand) {
    for (const Option& known : all_options())
        for (const Command* command : takers_of(known.name))
            for (const Option& option : command->options) {
                if (option.name != known.name) continue;
                SCOPED_TRACE(command->name + " --" + option.name);
                EXPECT_EQ(option.takes, known.takes);
                EXPECT_EQ(option.letter, known.letter);
                EXPECT_EQ(option.doc, known.doc);
            }
}

TEST(Options, HaveADocALetterOfTheirOwnAndAValueWhereTheyTakeOne) {
    std::set<char> letters;
    for (const Option& option : all_options()) {
        SCOPED_TRACE(option.name);
        EXPECT_FALSE(option.doc.empty());
        EXPECT_EQ(option.value.empty(), option.takes == Option::Takes::nothing);
        if (option.letter) {
            EXPECT_TRUE(letters.insert(option.letter).second);
        }
    }
}

TEST(Options, OfTheUsageExist) {
    const std::regex long_option("--([a-z-]+)");
    for (const Command& command : commands())
        for (const Command::Usage& usage : command.usage)
            for (std::sregex_iterator found(usage.options.begin(), usage.options.end(),
                                            long_option);
                 found != std::sregex_iterator(); ++found) {
                const auto is_it = [&](const Option& option) { return option.name == (*found)[1]; };
                const auto& own = command.options;
                const auto& all = general_options();
                EXPECT_TRUE(std::any_of(own.begin(), own.end(), is_it) ||
                            std::any_of(all.begin(), all.end(), is_it))
                    << command.name << " --" << (*found)[1];
            }
}

// ---- what is asked for

TEST(TheHelp, IsGivenBehindAnythingElse) {
    const std::string help = printed({"--help"});
    const std::vector<std::vector<std::string>> lines = {{"infer", "--help"},
                                                         {"--topk", "3", "-h"},
                                                         {"--version", "-h"},
                                                         {"--help", "--describe", "a"}};
    for (const auto& arguments : lines) EXPECT_EQ(printed(arguments), help);
}

TEST(Forms, OfTheCommandThatIsMeant) {
    const struct {
        std::vector<std::string> arguments;
        std::string complaint;
    } rows[] = {
        {{}, "no configuration file is given: ailab-run [train|browse] CONFIG [key=value ...]."},
        {{"browse"}, "no configuration file is given: ailab-run browse CONFIG [key=value ...]."},
        {{"test", "c.yaml"},
         "no checkpoint is given: ailab-run test CONFIG CHECKPOINT [key=value ...]."},
        {{"export"},
         "no configuration file is given: ailab-run export CONFIG CHECKPOINT [key=value ...]."},
        {{"runs"}, "runs needs a work_dir."},
        {{"compare"}, "compare needs two runs."},
        {{"inspect"}, "inspect needs a checkpoint."},
        {{"average"}, "average needs a checkpoint."},
        {{"c.yaml", "--weights", "best"},
         "--weights goes with ailab-run test, ailab-run infer, ailab-run export."},
        {{"compare", "a", "b", "--json"}, "--json goes with --list-modules, runs and inspect."},
    };
    for (const auto& row : rows)
        EXPECT_EQ(complaint(row.arguments), row.complaint + " See ailab-run --help.");
}

}  // namespace
}  // namespace ailab::app
