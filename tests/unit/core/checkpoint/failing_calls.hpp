#pragma once
// Makes system calls of the code under test fail (linked with --wrap).
#include <string>

namespace ailab::test {

/// While this lives, call number `nth` (from 1) of `name` and, if `for_good`, all later ones fail:
/// write with ENOSPC after half of its bytes, the others with EIO.
class FailingCall {
  public:
    FailingCall(const std::string& name, int nth, bool for_good);
    ~FailingCall();
    /// Whether a call has failed.
    bool happened() const;
};

}  // namespace ailab::test
