// Starts many runs without loading LibTorch for each: a line on standard input, "<file> TAB
// <configuration> TAB <override> …", forks a process that runs it and prints into the file; a line
// on standard output is its exit status, negative for a signal, or "hang". The arguments are the
// plugins.
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "plugin/plugin_host.hpp"
#include "run/train.hpp"
#include "schema/run_config.hpp"

namespace {

constexpr int patience = 30'000;  // ms

[[noreturn]] void run(const std::vector<std::string>& words) {
    const int file = open(words[0].c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (file < 0 || dup2(file, STDOUT_FILENO) < 0 || dup2(file, STDERR_FILENO) < 0) _exit(97);
    close(STDIN_FILENO);
    ailab::ConfigInput input;
    input.path = words[1];
    input.overrides.assign(words.begin() + 2, words.end());
    exit(ailab::train(input, ""));
}

std::string status_of(pid_t child) {
    const int handle = int(syscall(SYS_pidfd_open, child, 0));
    pollfd ended{handle, POLLIN, 0};
    const bool in_time = handle >= 0 && poll(&ended, 1, patience) == 1;
    if (!in_time) kill(child, SIGKILL);
    if (handle >= 0) close(handle);
    int status = 0;
    waitpid(child, &status, 0);
    if (!in_time) return "hang";
    return std::to_string(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}

}  // namespace

int main(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) ailab::PluginHost::instance().load(argv[i]);
    for (std::string line; std::getline(std::cin, line);) {
        std::vector<std::string> words;
        std::istringstream fields(line);
        for (std::string word; std::getline(fields, word, '\t');) words.push_back(word);
        if (words.size() < 2) return 2;
        const pid_t child = fork();
        if (child < 0) return 1;
        if (child == 0) run(words);
        std::cout << status_of(child) << std::endl;
    }
}
