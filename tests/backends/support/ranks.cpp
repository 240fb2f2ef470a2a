#include "support/ranks.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <torch/csrc/distributed/c10d/FileStore.hpp>

namespace ailab::testing {
namespace {

struct Child {
    pid_t pid;
    int output;
};

void write_all(int file, const std::string& text) {
    for (size_t done = 0; done < text.size();) {
        const ssize_t n = write(file, text.data() + done, text.size() - done);
        if (n <= 0) return;
        done += size_t(n);
    }
}

[[noreturn]] void run_child(int rank, int size, const std::string& path, int output,
                            const RankBody& body) {
    int status = 0;
    std::string report;
    try {
        report = body(rank, c10::make_intrusive<c10d::FileStore>(path, size));
    } catch (const std::exception& error) {
        report = error.what();
        status = 1;
    }
    write_all(output, report);
    // Not exit(): gtest's and LibTorch's destructors belong to the parent.
    _exit(status);
}

std::string read_until_closed(int file, std::chrono::steady_clock::time_point end) {
    std::string text;
    char buffer[4096];
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            end - std::chrono::steady_clock::now());
        pollfd wait{file, POLLIN, 0};
        if (left.count() <= 0 || poll(&wait, 1, int(left.count())) <= 0) return text + " (killed)";
        const ssize_t n = read(file, buffer, sizeof buffer);
        if (n <= 0) return text;
        text.append(buffer, size_t(n));
    }
}

}  // namespace

std::vector<RankResult> run_ranks(int size, const RankBody& body, int seconds) {
    char folder[] = "/tmp/ailab-ranks-XXXXXX";
    if (!mkdtemp(folder)) throw std::runtime_error("cannot make a folder in /tmp");
    const std::string path = std::string(folder) + "/store";
    std::vector<Child> children;
    for (int rank = 0; rank < size; ++rank) {
        int ends[2];
        if (pipe(ends) != 0) throw std::runtime_error("cannot make a pipe");
        const pid_t pid = fork();
        if (pid < 0) throw std::runtime_error("cannot fork");
        if (pid == 0) {
            close(ends[0]);
            run_child(rank, size, path, ends[1], body);
        }
        close(ends[1]);
        children.push_back({pid, ends[0]});
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    std::vector<RankResult> results;
    for (const Child& child : children) {
        RankResult result;
        result.report = read_until_closed(child.output, end);
        close(child.output);
        if (std::chrono::steady_clock::now() > end) kill(child.pid, SIGKILL);
        int status = 0;
        waitpid(child.pid, &status, 0);
        result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        results.push_back(std::move(result));
    }
    std::filesystem::remove_all(folder);
    return results;
}

}  // namespace ailab::testing
