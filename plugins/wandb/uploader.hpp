#pragma once
#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ailab::wandb {

/// The installed W&B client as a process beside the trainer, which follows a run's folder and
/// uploads what is written there. It ends after the run's exit record, and dies with the trainer.
/// One thread at a time.
class Uploader {
  public:
    Uploader() = default;
    ~Uploader() { stop(); }
    Uploader(const Uploader&) = delete;
    Uploader& operator=(const Uploader&) = delete;

    /// Starts `client beta sync --live run_dir`, its output going to `log`; variables are added to
    /// the environment. Must be called on the thread that lives as long as the trainer: the kernel
    /// ends the client with it. Throws Error when the process cannot be started.
    void start(const std::string& client, const std::string& run_dir, const std::string& log,
               const std::vector<std::pair<std::string, std::string>>& variables);
    bool runs();
    /// Waits until it has ended by itself; false when it has not in this time.
    bool wait(double seconds);
    /// Ends it; without effect when it does not run.
    void stop();
    /// How it ended ("with status 1"), and its last words: for messages.
    std::string ending() const;

  private:
    pid_t process_ = -1;
    int status_ = 0;
    std::string log_;
};

}  // namespace ailab::wandb
