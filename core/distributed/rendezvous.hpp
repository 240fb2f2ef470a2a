#pragma once
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <functional>
#include <memory>
#include <string>

#include "job.hpp"
#include "watcher.hpp"

namespace ailab::dist {

/// What a rank holds once it has found the others.
struct Joined {
    c10::intrusive_ptr<c10d::Store> store;
    std::unique_ptr<Watcher> watcher;
    std::vector<Member> members;
};

/// How the ranks are to meet.
struct MeetingTerms {
    std::string init_method = "env://";
    std::chrono::milliseconds timeout{};
    /// Refuse to meet where nobody gave the ranks a secret; else rank 0 warns.
    bool require_secret = false;
    TextBroadcast broadcast;
};

/// Finds the other ranks (there are some) and starts to watch them. Returns when all are there.
/// Throws ConfigError for a wrong init_method, Error when rank 0 cannot be reached; once it is
/// reached, every other failure ends the job with one message.
Joined find_other_ranks(const RankInfo& rank_info, const MeetingTerms& terms);

}  // namespace ailab::dist
