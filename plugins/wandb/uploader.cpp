#include "uploader.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <thread>

#include "ailab/error.hpp"
#include "ailab/support/signals_blocked.hpp"

namespace ailab::wandb {
namespace {

/// This process's variables with others in their place.
std::vector<std::string> environment_with(
    const std::vector<std::pair<std::string, std::string>>& variables) {
    std::vector<std::string> result;
    for (char** entry = environ; *entry; ++entry) {
        const std::string text = *entry;
        bool replaced = false;
        for (const auto& [name, value] : variables)
            replaced = replaced || text.starts_with(name + "=");
        if (!replaced) result.push_back(text);
    }
    for (const auto& [name, value] : variables) result.push_back(name + "=" + value);
    return result;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (std::string& text : texts) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

struct Child {
    char* const* arguments;
    char* const* environment;
    int output;
    pid_t parent;
    long open_files;
    cpu_set_t all_cores;
};

/// Becomes the client. System calls alone, as after any fork of a process with threads.
[[noreturn]] void become(const Child& child) {
    constexpr int cannot_execute = 127;
    constexpr int less_urgent = 10;
    // Ctrl-C is for the trainer, which then ends the run's file in order.
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != child.parent) _exit(cannot_execute);  // it died before that
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal) sigaction(signal, &standard, nullptr);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    // Any core that the trainer has left idle, not the one that mpirun bound it to.
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + less_urgent);
    sched_setaffinity(0, sizeof child.all_cores, &child.all_cores);
    const int input = open("/dev/null", O_RDONLY);
    dup2(input, STDIN_FILENO);
    dup2(child.output, STDOUT_FILENO);
    dup2(child.output, STDERR_FILENO);
    // Not the sockets and shared memory of MPI and the like.
    constexpr int first = STDERR_FILENO + 1;
    if (syscall(SYS_close_range, first, ~0U, 0) != 0)
        for (int file = first; file < child.open_files; ++file) close(file);
    execve(child.arguments[0], child.arguments, child.environment);
    _exit(cannot_execute);
}

std::string last_line(const std::string& path) {
    std::ifstream file(path);
    std::string last;
    for (std::string line; std::getline(file, line);)
        if (line.find_first_not_of(" \r") != std::string::npos) last = line;
    return last;
}

}  // namespace

void Uploader::start(const std::string& client, const std::string& run_dir, const std::string& log,
                     const std::vector<std::pair<std::string, std::string>>& variables) {
    std::vector<std::string> words = {client, "beta", "sync", "--live", run_dir};
    std::vector<std::string> variables_now = environment_with(variables);
    const std::vector<char*> arguments = pointers(words);
    const std::vector<char*> environment = pointers(variables_now);
    const int output = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (output < 0) throw Error(concat("cannot write ", log, ": ", std::strerror(errno)));
    Child child{arguments.data(), environment.data(), output, getpid(), sysconf(_SC_OPEN_MAX), {}};
    for (size_t core = 0; core < CPU_SETSIZE; ++core) CPU_SET(core, &child.all_cores);
    int error = 0;
    {
        // The child shares this memory until it is another program: none of the trainer's handlers
        // may run in it.
        const SignalsBlocked blocked;
        // Not fork(): copying the page tables of a trainer takes long, and MPI dislikes it.
        process_ = vfork();
        if (process_ == 0) become(child);
        error = errno;
    }
    close(output);
    if (process_ < 0) throw Error(concat("cannot start ", client, ": ", std::strerror(error)));
    log_ = log;
}

bool Uploader::runs() {
    if (process_ < 0) return false;
    int status = 0;
    pid_t ended = 0;
    do ended = waitpid(process_, &status, WNOHANG);
    while (ended < 0 && errno == EINTR);
    if (ended == 0) return true;
    status_ = ended > 0 ? status : 0;
    process_ = -1;
    return false;
}

bool Uploader::wait(double seconds) {
    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + std::chrono::duration<double>(seconds);
    while (runs()) {
        if (Clock::now() >= deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
}

void Uploader::stop() {
    constexpr double patience = 2;  // seconds
    if (!runs()) return;
    const pid_t group = -process_;  // the client starts a service of its own
    kill(group, SIGTERM);
    if (wait(patience)) return;
    kill(group, SIGKILL);
    wait(patience);
}

std::string Uploader::ending() const {
    std::string text = WIFSIGNALED(status_) ? concat("by signal ", WTERMSIG(status_))
                                            : concat("with status ", WEXITSTATUS(status_));
    const std::string words = last_line(log_);
    if (!words.empty()) text += ": " + words;
    return text;
}

}  // namespace ailab::wandb
