#pragma once
#include <memory>

namespace ailab::mpi {

/// MPI's life in this process: started by the first who asks, finalised when the last one has let
/// go. Main thread.
class Session {
  public:
    /// Collective the first time. Throws Error.
    static std::shared_ptr<Session> get();
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// False when somebody else had started MPI before, who then ends it too.
    bool started_here() const { return started_here_; }

  private:
    Session();

    bool started_here_ = false;
};

}  // namespace ailab::mpi
