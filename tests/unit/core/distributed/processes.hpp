#pragma once
// Starts programs the way a launcher would, and gathers what they say.
#include <sys/types.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace ailab::test {

using Variables = std::map<std::string, std::string>;

/// One program, its stdout and stderr together in a file.
class Process {
  public:
    /// With `variables` added to the test's environment, from which every launcher's variables are
    /// taken out.
    Process(const std::vector<std::string>& command, const Variables& variables);
    ~Process();
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    void signal(int number) const;
    bool running();
    /// The exit status, or 128 + the signal that ended it. Kills it after `limit`.
    int wait(std::chrono::seconds limit = std::chrono::seconds(60));
    std::string output() const;

  private:
    pid_t pid_ = -1;
    int status_ = -1;
    std::string path_;
};

struct Outcome {
    std::vector<int> statuses;
    std::string output;  // of all processes
    double seconds = 0;

    /// Lines of the job itself: those that begin with `ailab:`.
    std::vector<std::string> messages() const;
};

/// `np` processes of dist_probe with torchrun-style RANK and WORLD_SIZE.
std::vector<std::unique_ptr<Process>> start_ranks(int np, const std::vector<std::string>& arguments,
                                                  const Variables& variables);
/// Until each of them has printed this, and nothing else. Throws when that takes a minute.
void wait_for_output(const std::vector<std::unique_ptr<Process>>& processes,
                     const std::string& output);
Outcome wait_for(std::vector<std::unique_ptr<Process>>& processes);

Outcome run_ranks_alone(int np, const std::vector<std::string>& arguments,
                        const Variables& variables);
Outcome run_mpirun(int np, const std::vector<std::string>& arguments);

/// MASTER_ADDR and MASTER_PORT on this host.
Variables master(int port);
/// A port that was free a moment ago.
int free_port();
/// A path in a fresh folder that goes with this object.
class TemporaryFolder {
  public:
    TemporaryFolder();
    ~TemporaryFolder();
    std::string path(const std::string& name) const { return folder_ + "/" + name; }

  private:
    std::string folder_;
};

}  // namespace ailab::test
