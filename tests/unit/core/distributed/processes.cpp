#include "processes.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "distributed/net.hpp"

extern char** environ;

namespace ailab::test {
namespace {

using Clock = std::chrono::steady_clock;

bool of_a_launcher(const std::string& variable) {
    for (const char* prefix : {"OMPI_COMM", "PMIX_", "SLURM_", "RANK=", "WORLD_SIZE=", "LOCAL_",
                               "MASTER_", "TORCHELASTIC_", "AILAB_SECRET"})
        if (variable.starts_with(prefix)) return true;
    return false;
}

std::vector<std::string> environment_with(const Variables& variables) {
    std::vector<std::string> list;
    for (char** each = environ; *each; ++each)
        if (!of_a_launcher(*each)) list.emplace_back(*each);
    for (const auto& [name, value] : variables) list.push_back(name + "=" + value);
    return list;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> list;
    for (std::string& text : texts) list.push_back(text.data());
    list.push_back(nullptr);
    return list;
}

std::vector<std::string> probe(const std::vector<std::string>& arguments) {
    std::vector<std::string> command{DIST_PROBE};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return command;
}

}  // namespace

Process::Process(const std::vector<std::string>& command, const Variables& variables) {
    path_ = std::filesystem::temp_directory_path() / "ailab-output-XXXXXX";
    const int fd = ::mkostemp(path_.data(), O_CLOEXEC);
    if (fd < 0) throw std::runtime_error("mkostemp failed");
    std::vector<std::string> arguments = command, variables_list = environment_with(variables);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fd, STDERR_FILENO);
    // What a shell starts in the background ignores these, and so would all that it starts.
    sigset_t heeded;
    sigemptyset(&heeded);
    for (const int number : {SIGINT, SIGQUIT, SIGHUP}) sigaddset(&heeded, number);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigdefault(&attributes, &heeded);
    const int error = ::posix_spawnp(&pid_, command[0].c_str(), &actions, &attributes,
                                     pointers(arguments).data(), pointers(variables_list).data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    ::close(fd);
    if (error != 0) throw std::runtime_error("cannot start " + command[0]);
}

Process::~Process() {
    if (running()) {
        signal(SIGKILL);
        wait();
    }
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
}

void Process::signal(int number) const {
    ::kill(pid_, number);
}

bool Process::running() {
    int status = 0;
    if (status_ >= 0 || ::waitpid(pid_, &status, WNOHANG) != pid_) return status_ < 0;
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return false;
}

int Process::wait(std::chrono::seconds limit) {
    const Clock::time_point deadline = Clock::now() + limit;
    while (running()) {
        if (Clock::now() > deadline) {
            std::ofstream(path_, std::ios::app) << "(killed by the test: it did not end)\n";
            signal(SIGKILL);
            ::waitpid(pid_, nullptr, 0);
            return status_ = 128 + SIGKILL;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return status_;
}

std::string Process::output() const {
    std::stringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
}

std::vector<std::string> Outcome::messages() const {
    std::vector<std::string> found;
    std::istringstream text(output);
    for (std::string line; std::getline(text, line);)
        if (line.starts_with("ailab:")) found.push_back(line);
    return found;
}

std::vector<std::unique_ptr<Process>> start_ranks(int np, const std::vector<std::string>& arguments,
                                                  const Variables& variables) {
    std::vector<std::unique_ptr<Process>> processes;
    for (int rank = 0; rank < np; ++rank) {
        Variables all = variables;
        all["RANK"] = std::to_string(rank);
        all["WORLD_SIZE"] = std::to_string(np);
        processes.push_back(std::make_unique<Process>(probe(arguments), all));
    }
    return processes;
}

void wait_for_output(const std::vector<std::unique_ptr<Process>>& processes,
                     const std::string& output) {
    const Clock::time_point deadline = Clock::now() + std::chrono::minutes(1);
    for (const auto& process : processes)
        while (process->output() != output) {
            if (Clock::now() > deadline)
                throw std::runtime_error("a process printed " + process->output() + " and not " +
                                         output);
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
}

Outcome wait_for(std::vector<std::unique_ptr<Process>>& processes) {
    const Clock::time_point begin = Clock::now();
    Outcome outcome;
    for (const auto& process : processes) outcome.statuses.push_back(process->wait());
    outcome.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    for (const auto& process : processes) outcome.output += process->output();
    return outcome;
}

Outcome run_ranks_alone(int np, const std::vector<std::string>& arguments,
                        const Variables& variables) {
    std::vector<std::unique_ptr<Process>> processes = start_ranks(np, arguments, variables);
    return wait_for(processes);
}

Outcome run_mpirun(int np, const std::vector<std::string>& arguments) {
    std::vector<std::string> command{"mpirun", "--oversubscribe", "-np", std::to_string(np)};
    for (const std::string& word : probe(arguments)) command.push_back(word);
    std::vector<std::unique_ptr<Process>> processes;
    processes.push_back(std::make_unique<Process>(
        command,
        Variables{{"OMPI_ALLOW_RUN_AS_ROOT", "1"}, {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"}}));
    return wait_for(processes);
}

Variables master(int port) {
    return {{"MASTER_ADDR", "127.0.0.1"}, {"MASTER_PORT", std::to_string(port)}};
}

int free_port() {
    return dist::listen_on({dist::loopback}, 0).port;
}

TemporaryFolder::TemporaryFolder() {
    folder_ = std::filesystem::temp_directory_path() / "ailab-dist-XXXXXX";
    if (!::mkdtemp(folder_.data())) throw std::runtime_error("mkdtemp failed");
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

}  // namespace ailab::test
