#include "rendezvous.hpp"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <random>
#include <thread>

#include "address_file.hpp"
#include "ailab/error.hpp"
#include "hub.hpp"
#include "init_method.hpp"
#include "quiet_c10d.hpp"
#include "spoke.hpp"

namespace ailab::dist {
namespace {

using StorePtr = c10::intrusive_ptr<c10d::Store>;
using std::chrono::milliseconds;

const std::string meeting_key = "ailab/meeting";
constexpr milliseconds retry_after{5};
constexpr std::chrono::seconds attempt_within{5};
/// Other ranks wait this much longer, so that rank 0's message, which names the missing, comes
/// first.
constexpr std::chrono::seconds grace{3};

class Rendezvous {
  public:
    Rendezvous(const Placement& placement, milliseconds timeout)
        : placement_(placement), timeout_(timeout), deadline_(Clock::now() + timeout) {}

    Joined meet(const StoreAddress& place) {
        if (placement_.rank != 0)
            return follow([&](std::string& why) { return join(place, why); }, place.source);
        if (place.rank0_serves) wait_for_name(place);
        Meeting meeting;
        std::unique_ptr<Hub> hub = open_hub(meeting, place.host);
        Joined joined;
        joined.store = place.rank0_serves ? serve(place.host, place.port) : wait_for_store(place);
        joined.store->set(meeting_key, bytes(meeting.encode()));
        joined.watcher = std::move(hub);
        return complete(std::move(joined), deadline_);
    }

    Joined meet(const AddressFile& place) {
        if (placement_.rank != 0)
            return follow([&](std::string& why) { return join(place, why); }, place.source);
        return open([&](const Address& address) {
            return std::make_shared<PublishedAddress>(place, address);
        });
    }

    Joined meet_by(const TextBroadcast& broadcast) {
        if (placement_.rank == 0)
            return open([&](const Address& address) {
                broadcast(PayloadWriter().text(address.meeting).number(address.store_port).bytes());
                return nullptr;
            });
        const std::string told = broadcast("");
        PayloadReader reader(told);
        Address address;
        address.meeting = reader.text();
        address.store_port = uint16_t(reader.number());
        return follow([&](std::string& why) { return join(address, why); },
                      "the address that came over MPI");
    }

  private:
    static std::vector<uint8_t> bytes(const std::string& text) {
        return {text.begin(), text.end()};
    }

    /// Rank 0: opens its ports and shows them to the others until all are there.
    template <class Publish>
    Joined open(Publish publish) {
        Meeting meeting;
        std::unique_ptr<Hub> hub = open_hub(meeting, "");
        Listener listener = listen_on(0, placement_.one_host());
        const uint16_t port = listener.port;
        Joined joined;
        joined.store = serve("127.0.0.1", std::move(listener));
        const std::shared_ptr<void> shown = publish(Address{meeting.encode(), port});
        joined.watcher = std::move(hub);
        return complete(std::move(joined), deadline_);
    }

    /// c10d would look its own address up until the timeout. A name may be young, as that of a
    /// container, but not for long.
    void wait_for_name(const StoreAddress& place) {
        const auto soon = std::min(deadline_, Clock::now() + attempt_within);
        for (std::string why; !(why = why_unknown(place.host)).empty();
             std::this_thread::sleep_for(retry_after))
            if (Clock::now() >= soon)
                throw ConfigError(concat(place.source, ": ", why,
                                         ". Give a name or an address of the host of rank 0"));
    }

    std::unique_ptr<Hub> open_hub(Meeting& meeting, const std::string& known_address) {
        std::random_device random;
        meeting.nonce = uint64_t(random()) << 32 | random();
        auto hub =
            std::make_unique<Hub>(placement_.world_size, meeting.nonce, placement_.one_host());
        meeting.port = hub->port();
        meeting.host_id = host_id();
        if (!known_address.empty()) meeting.addresses.push_back(known_address);
        for (std::string& address : reachable_addresses())
            meeting.addresses.push_back(std::move(address));
        meeting.addresses.push_back("127.0.0.1");
        return hub;
    }

    StorePtr serve(const std::string& host, uint16_t port) {
        try {
            return serve(host, listen_on(port, host == "127.0.0.1"));
        } catch (const Error& error) {
            throw Error(concat("rank 0 ", error.what(), ". Does an earlier job still run here? ",
                               "Choose another port for dist.init_method or MASTER_PORT"));
        }
    }

    StorePtr serve(const std::string& host, Listener listener) {
        c10d::TCPStoreOptions options;
        options.isServer = true;
        options.port = listener.port;
        options.masterListenFd = listener.fd.release();
        return make_store(host, options);
    }

    StorePtr make_store(const std::string& host, c10d::TCPStoreOptions& options) {
        options.waitWorkers = false;
        options.timeout = timeout_;
        return c10::make_intrusive<c10d::TCPStore>(host, options);
    }

    /// One attempt. nullptr and `why` when nobody listens there yet.
    StorePtr open_store(const std::string& host, uint16_t port, std::string& why) {
        // TCPStore itself would sleep a second after a connection that came too early, and warn.
        const auto soon = std::min(deadline_, Clock::now() + attempt_within);
        if (!connect_to(host, port, soon, why)) return nullptr;
        c10d::TCPStoreOptions options;
        options.port = port;
        return make_store(host, options);
    }

    StorePtr open_store(const StoreAddress& place, std::string& why) {
        StorePtr store = open_store(place.host, place.port, why);
        if (!store) why = concat(place.host, ":", place.port, ": ", why);
        if (!store || place.prefix.empty()) return store;
        return c10::make_intrusive<c10d::PrefixStore>(place.prefix, store);
    }

    StorePtr wait_for_store(const StoreAddress& place) {
        std::string why;
        while (true) {
            if (StorePtr store = open_store(place, why)) return store;
            check_time(place.source, why);
        }
    }

    std::optional<Joined> join(const StoreAddress& place, std::string& why) {
        Joined joined;
        joined.store = open_store(place, why);
        if (!joined.store) return std::nullopt;
        if (!joined.store->check({meeting_key})) {
            why = concat("nothing about this job in the store at ", place.host, ":", place.port);
            return std::nullopt;
        }
        const std::vector<uint8_t> told = joined.store->get(meeting_key);
        joined.watcher = join(Meeting::decode(std::string(told.begin(), told.end())), why);
        if (!joined.watcher) return std::nullopt;
        return joined;
    }

    std::optional<Joined> join(const AddressFile& place, std::string& why) {
        const std::optional<Address> address = read_address(place);
        if (!address) {
            why = concat("rank 0 has not written ", place.path);
            return std::nullopt;
        }
        return join(*address, why);
    }

    std::optional<Joined> join(const Address& address, std::string& why) {
        const Meeting meeting = Meeting::decode(address.meeting);
        Joined joined;
        joined.watcher = join(meeting, why);
        if (!joined.watcher) return std::nullopt;
        // From here on rank 0 is known to be the right one, and it has opened the store before.
        if (meeting.host_id == host_id())
            joined.store = open_store("127.0.0.1", address.store_port, why);
        for (const std::string& host : meeting.addresses) {
            if (joined.store) break;
            joined.store = open_store(host, address.store_port, why);
        }
        if (!joined.store)
            joined.watcher->fail(
                concat("cannot reach rank 0's store at port ", address.store_port, ": ", why), 1,
                true);
        return joined;
    }

    std::unique_ptr<Watcher> join(const Meeting& meeting, std::string& why) {
        Listener listener = listen_on(0, placement_.one_host());
        RankInfo self{.host = host_name(),
                      .host_id = host_id(),
                      .addresses = reachable_addresses(),
                      .port = listener.port};
        Connection hub =
            join_meeting(meeting, placement_.rank, placement_.world_size, self, deadline_, why);
        if (!hub.open()) return nullptr;
        return std::make_unique<Spoke>(placement_.rank, placement_.world_size, std::move(hub),
                                       std::move(listener));
    }

    /// Tries until rank 0 takes this rank in: it may start later, and an earlier job that used the
    /// same place may just be ending.
    template <class Attempt>
    Joined follow(Attempt attempt, const std::string& source) {
        std::string why = "no attempt";
        while (true) {
            try {
                if (std::optional<Joined> joined = attempt(why))
                    return complete(std::move(*joined), deadline_ + grace);
            } catch (const c10::Error& error) {
                why = error.what_without_backtrace();
            } catch (const ProtocolError& error) {
                why = error.what();
            }
            check_time(source, why);
        }
    }

    void check_time(const std::string& source, const std::string& why) {
        if (Clock::now() < deadline_) return std::this_thread::sleep_for(retry_after);
        const std::chrono::duration<double> seconds = timeout_;
        throw Error(concat("rank ", placement_.rank, " of ", placement_.world_size,
                           " did not find rank 0 within ", seconds.count(), " s by ", source, ": ",
                           why, ". Does rank 0 run, and is it reachable from this host?"));
    }

    static Joined complete(Joined joined, Clock::time_point deadline) {
        joined.members = joined.watcher->wait_for_members(deadline);
        return joined;
    }

    const Placement& placement_;
    const milliseconds timeout_;
    const Clock::time_point deadline_;
};

}  // namespace

Joined find_other_ranks(const Placement& placement, const std::string& init_method,
                        milliseconds timeout, const TextBroadcast& broadcast) {
    const MeetingPlace place = meeting_place(init_method, placement);
    const QuietC10d quiet;
    Rendezvous rendezvous(placement, timeout);
    if (const auto* address = std::get_if<StoreAddress>(&place)) return rendezvous.meet(*address);
    if (const auto* file = std::get_if<AddressFile>(&place)) return rendezvous.meet(*file);
    if (broadcast) return rendezvous.meet_by(broadcast);
    throw ConfigError(
        "dist.init_method env://: mpirun started ranks on several hosts, and nothing says where "
        "rank 0 is; start with mpirun -x MASTER_ADDR=<host of rank 0> -x MASTER_PORT=<free port>, "
        "or give dist.init_method tcp://<host of rank 0>:<port>");
}

}  // namespace ailab::dist
