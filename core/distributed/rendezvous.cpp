#include "rendezvous.hpp"

#include <algorithm>
#include <thread>

#include "address_file.hpp"
#include "agent_store.hpp"
#include "ailab/error.hpp"
#include "hub.hpp"
#include "init_method.hpp"
#include "job_store.hpp"
#include "log/log.hpp"
#include "quiet_c10d.hpp"
#include "secret.hpp"
#include "spoke.hpp"

namespace ailab::dist {
namespace {

using std::chrono::milliseconds;

constexpr size_t nonce_size = 16;
constexpr size_t secret_size = 32;
/// While rank 0 is not there yet, and while what is there is not of this job.
constexpr milliseconds retry_after{5};
constexpr milliseconds retry_stranger_after{100};
constexpr std::chrono::seconds attempt_within{5};
constexpr std::chrono::seconds connect_within{2};
/// When a rank first says why it does not find rank 0.
constexpr std::chrono::seconds first_word{5};
/// Other ranks wait this much longer, so that rank 0's message, which names the missing, comes
/// first.
constexpr std::chrono::seconds grace{3};

std::string missing_hint(const RankInfo& rank_info) {
    if (rank_info.launcher == "slurm")
        return concat("Slurm's variables tell of ", rank_info.world_size,
                      " tasks, which srun starts: srun ailab-run ...; for one process in a batch "
                      "script or a shell give --launcher single.");
    return "Were they started, and can they reach this host?";
}

class Rendezvous {
  public:
    Rendezvous(const RankInfo& rank_info, const MeetingTerms& terms)
        : rank_info_(rank_info),
          terms_(terms),
          given_(secret_of_environment()),
          deadline_(Clock::now() + terms.timeout),
          next_word_(Clock::now() + first_word) {}

    Joined meet(const HubAddress& place) {
        check_secret(place.source);
        if (rank_info_.rank != 0)
            return follow([&](std::string& why) { return join(place, why); }, place.source);
        wait_for_name(place);
        Listener listener = listen(listening_addresses(place.host), place.port);
        warn_without_secret(place.source);
        return complete(serve(std::move(listener), "", ""));
    }

    Joined meet(const AgentStore& place) {
        check_secret(place.source);
        if (rank_info_.rank != 0)
            return follow([&](std::string& why) { return join(place, why); }, place.source);
        warn_without_secret(place.source);
        return open(listening_addresses(place.host), 0, "", [&](const Address& address) {
            show_at_agent(place, address.meeting, terms_.timeout, deadline_);
            return nullptr;
        });
    }

    Joined meet(const AddressFile& place) {
        one_host_ = place.one_host;
        if (rank_info_.rank != 0)
            return follow([&](std::string& why) { return join(place, why); }, place.source);
        return open(all_addresses(), place.port, random_bytes(secret_size),
                    [&](const Address& address) {
                        return std::make_shared<PublishedAddress>(place, address);
                    });
    }

    Joined meet_by(const TextBroadcast& broadcast) {
        if (rank_info_.rank == 0)
            return open(all_addresses(), 0, random_bytes(secret_size), [&](const Address& address) {
                broadcast(PayloadWriter().text(address.meeting).text(address.secret).bytes());
                return nullptr;
            });
        const std::string told = broadcast("");
        PayloadReader reader(told);
        Address address;
        address.meeting = reader.text();
        address.secret = reader.text();
        return follow([&](std::string& why) { return join(address, why); },
                      "the address that came over MPI");
    }

  private:
    /// The ranks of several hosts have no file in common.
    void check_secret(const std::string& source) const {
        if (!given_ && terms_.require_secret)
            throw ConfigError(concat("dist.require_secret: the ranks meet over the network (",
                                     source, ") and share no secret. ", advice));
    }

    void warn_without_secret(const std::string& source) const {
        if (!given_)
            log_collected(
                concat("the ranks meet over the network (", source,
                       ") and share no secret: whoever reaches rank 0 can join this run. ", advice,
                       " (dist.require_secret: true makes this an error)"));
    }

    /// What is proved to be known: both what the environment gave and what rank 0 made.
    std::string secret_with(const std::string& made) const {
        return hmac(given_ ? given_->text : "", made);
    }

    std::vector<std::string> all_addresses() const {
        std::vector<std::string> addresses;
        if (!one_host_) addresses = own_addresses();
        addresses.push_back(loopback);
        return addresses;
    }

    // ---- rank 0

    /// Listens, and shows the others where until all are there.
    template <class Publish>
    Joined open(const std::vector<std::string>& addresses, uint16_t port, const std::string& secret,
                Publish publish) {
        Listener listener = listen(addresses, port);
        Meeting meeting{random_bytes(nonce_size), host_id(), {}, listener.port};
        for (const std::string& address : addresses)
            if (!is_loopback(address)) meeting.addresses.push_back(address);
        Joined joined = serve(std::move(listener), meeting.nonce, secret);
        const std::shared_ptr<void> shown = publish(Address{meeting.encode(), secret});
        return complete(std::move(joined));
    }

    Joined serve(Listener listener, const std::string& nonce, const std::string& secret) {
        auto table = std::make_shared<StoreTable>();
        Joined joined;
        joined.store = c10::make_intrusive<JobStore>(table);
        joined.watcher = std::make_unique<Hub>(HubPlan{.world_size = rank_info_.world_size,
                                                       .secret = secret_with(secret),
                                                       .nonce = nonce,
                                                       .listener = std::move(listener),
                                                       .hint = missing_hint(rank_info_),
                                                       .table = table});
        return joined;
    }

    /// The message of the lookup would come at the timeout. A name may be young, as that of a
    /// container, but not for long.
    void wait_for_name(const HubAddress& place) {
        const auto soon = std::min(deadline_, Clock::now() + attempt_within);
        for (std::string why; !(why = why_unknown(place.host)).empty();
             std::this_thread::sleep_for(retry_after))
            if (Clock::now() >= soon)
                throw ConfigError(concat(place.source, ": ", why,
                                         ". Give a name or an address of the host of rank 0"));
    }

    static Listener listen(const std::vector<std::string>& addresses, uint16_t port) {
        try {
            return listen_on(addresses, port);
        } catch (const Error& error) {
            throw Error(concat("rank 0 ", error.what(), ". Does an earlier job still run here? ",
                               "Choose another port for dist.init_method or MASTER_PORT"));
        }
    }

    Joined complete(Joined joined) {
        joined.members = joined.watcher->wait_for_members(deadline_);
        return joined;
    }

    // ---- the other ranks

    std::optional<Joined> join(const HubAddress& place, std::string& why) {
        std::optional<Joined> joined = join_at(place.host, place.port, "", "", why);
        if (!joined) why = concat(place.host, ":", place.port, ": ", why);
        return joined;
    }

    std::optional<Joined> join(const AgentStore& place, std::string& why) {
        const std::optional<std::string> meeting =
            look_at_agent(place, terms_.timeout, deadline_, why);
        if (!meeting) return std::nullopt;
        return join(Address{*meeting, ""}, why);
    }

    std::optional<Joined> join(const AddressFile& place, std::string& why) {
        if (const std::optional<Address> address = read_address(place)) return join(*address, why);
        why = why_no_file(place);
        return std::nullopt;
    }

    std::optional<Joined> join(const Address& address, std::string& why) {
        const Meeting meeting = Meeting::decode(address.meeting);
        std::vector<std::string> hosts = meeting.addresses;
        if (meeting.host_id == host_id()) hosts = {loopback};
        for (const std::string& host : hosts) {
            std::string reason;
            if (auto joined = join_at(host, meeting.port, meeting.nonce, address.secret, reason))
                return joined;
            why = concat(host, ":", meeting.port, ": ", reason);
        }
        return std::nullopt;
    }

    std::optional<Joined> join_at(const std::string& host, uint16_t port, const std::string& nonce,
                                  const std::string& secret, std::string& why) {
        stranger_ = false;
        FileDescriptor fd =
            connect_to(host, port, std::min(deadline_, Clock::now() + connect_within), why);
        if (!fd) return std::nullopt;
        const JoiningRank self{rank_info_.rank, rank_info_.world_size, one_host_,
                               secret_with(secret)};
        std::optional<Admission> admission = join_hub(std::move(fd), nonce, self, deadline_, why);
        stranger_ = !admission;
        if (!admission) return std::nullopt;
        auto client = std::make_shared<StoreClient>();
        Joined joined;
        joined.store = c10::make_intrusive<JobStore>(client);
        joined.watcher = std::make_unique<Spoke>(rank_info_.rank, rank_info_.world_size,
                                                 std::move(*admission), client);
        return joined;
    }

    /// Rank 0 shows itself in a file of this user's. Where it was to listen at a known port, what
    /// is there tells more.
    std::string why_no_file(const AddressFile& place) {
        if (place.port == 0) return concat("rank 0 has not written ", place.paths.at(0));
        if (Clock::now() < next_probe_) return no_file_;
        next_probe_ = Clock::now() + std::chrono::seconds(1);
        std::string why;
        if (connect_to(loopback, place.port, next_probe_, why))
            why = "what listens there is not rank 0 of this job";
        return no_file_ = concat(loopback, ":", place.port, ": ", why);
    }

    /// Tries until rank 0 takes this rank in: it may start later, and an earlier job that used the
    /// same place may just be ending.
    template <class Attempt>
    Joined follow(Attempt attempt, const std::string& source) {
        std::string why = "no attempt";
        std::string answer;  // the last of who listens there: rank 0 may end before this rank
        while (true) {
            try {
                if (std::optional<Joined> joined = attempt(why)) {
                    joined->members = joined->watcher->wait_for_members(deadline_ + grace);
                    return std::move(*joined);
                }
            } catch (const ProtocolError& error) {
                why = error.what();
                stranger_ = true;
            }
            if (stranger_) answer = why;
            const bool tells_more = !answer.empty() && answer != why;
            check_time(source, tells_more ? concat(why, "; before that: ", answer) : why);
        }
    }

    /// Ranks that look in vain speak one after another: mpirun ends the others, within two seconds,
    /// with the first.
    std::chrono::milliseconds turn() const {
        return std::chrono::milliseconds(2500) * std::min(rank_info_.rank - 1, 3);
    }

    void check_time(const std::string& source, const std::string& why) {
        const auto now = Clock::now();
        const std::string where = concat("by ", source, ": ", why,
                                         ". Does rank 0 run, and is it reachable from this host?");
        if (now >= deadline_ + turn()) {
            const std::chrono::duration<double> seconds = terms_.timeout;
            throw Error(concat("rank ", rank_info_.rank, " of ", rank_info_.world_size,
                               " did not find rank 0 within ", seconds.count(), " s ", where));
        }
        // One of each host is enough.
        const bool speaks = rank_info_.rank == 1 || rank_info_.local_rank == 0;
        if (speaks && now >= next_word_) {
            next_word_ = deadline_;
            log_collected(concat("rank ", rank_info_.rank, " still looks for rank 0 ", where));
        }
        std::this_thread::sleep_for(stranger_ ? retry_stranger_after : retry_after);
    }

    static constexpr const char* advice =
        "Set AILAB_SECRET to the same random text for all ranks: export "
        "AILAB_SECRET=$(openssl rand -hex 32)";

    const RankInfo& rank_info_;
    const MeetingTerms& terms_;
    const std::optional<Secret> given_;
    const Clock::time_point deadline_;
    Clock::time_point next_word_;
    Clock::time_point next_probe_{};
    std::string no_file_;
    bool one_host_ = false;
    bool stranger_ = false;
};

}  // namespace

Joined find_other_ranks(const RankInfo& rank_info, const MeetingTerms& terms) {
    const MeetingPlace place = meeting_place(terms.init_method, rank_info);
    const QuietC10d quiet;
    Rendezvous rendezvous(rank_info, terms);
    if (const auto* address = std::get_if<HubAddress>(&place)) return rendezvous.meet(*address);
    if (const auto* agent = std::get_if<AgentStore>(&place)) return rendezvous.meet(*agent);
    if (const auto* file = std::get_if<AddressFile>(&place)) return rendezvous.meet(*file);
    if (terms.broadcast) return rendezvous.meet_by(terms.broadcast);
    throw ConfigError(
        "dist.init_method env://: mpirun started ranks on several hosts, and nothing says where "
        "rank 0 is; start with mpirun -x MASTER_ADDR=<host of rank 0> -x MASTER_PORT=<free port>, "
        "or give dist.init_method tcp://<host of rank 0>:<port>");
}

}  // namespace ailab::dist
