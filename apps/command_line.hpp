#pragma once
#include <string>
#include <vector>

#include "command.hpp"

namespace ailab::app {

/// What the user asked for.
struct Task {
    const Command& command;
    std::string launcher;  // of --launcher
    Work work;
};

/// Throws ConfigError with what is wrong and what to type instead.
Task read_command_line(const std::vector<std::string>& arguments);

/// The first of the words, taken off, or what an option gives in its place.
std::string take_word(std::vector<std::string>& words, const std::string& given,
                      const std::string& complaint);

/// The overrides (key=value), taken off the words.
std::vector<std::string> take_overrides(std::vector<std::string>& words);

/// Of a command that takes none.
void refuse_words(const CommandLine& line);

}  // namespace ailab::app
