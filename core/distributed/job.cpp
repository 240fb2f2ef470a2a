#include "job.hpp"

#include "init_method.hpp"
#include "many_job.hpp"
#include "rendezvous.hpp"
#include "single_job.hpp"

namespace ailab {

std::shared_ptr<Job> Job::start(const RankInfo& rank_info, const std::string& init_method,
                                double timeout_seconds, TextBroadcast broadcast,
                                bool require_secret) {
    if (rank_info.world_size == 1) return std::make_shared<dist::SingleJob>(rank_info);
    const auto timeout = std::chrono::milliseconds(int64_t(timeout_seconds * 1000));
    dist::Joined joined = dist::find_other_ranks(
        rank_info, {init_method, timeout, require_secret, std::move(broadcast)});
    return std::make_shared<dist::ManyJob>(rank_info, std::move(joined), timeout);
}

bool Job::needs_broadcast(const RankInfo& rank_info, const std::string& init_method) {
    return rank_info.world_size > 1 && std::holds_alternative<dist::AddressByBroadcast>(
                                           dist::meeting_place(init_method, rank_info));
}

}  // namespace ailab
