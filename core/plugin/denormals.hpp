#pragma once

namespace ailab::plugin {

/// How this thread's processor treats denormal floats (those below the smallest normal number), as
/// it was when the guard was made. -ffast-math at link time adds a constructor that makes all of
/// them zero, in the thread that loads the library and in all that it starts later.
class DenormalGuard {
  public:
    DenormalGuard();
    /// Sets it back. True if it had been changed.
    bool restore() const;

  private:
    unsigned long before_;
};

}  // namespace ailab::plugin
