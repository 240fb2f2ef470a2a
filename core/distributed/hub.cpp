#include "hub.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "ailab/error.hpp"
#include "log/log.hpp"
#include "member.hpp"

namespace ailab::dist {
namespace {

constexpr std::chrono::seconds join_within{5};
/// Who has not joined yet: the oldest goes when more come.
constexpr size_t most_strangers = 256;
/// When the process has no file descriptor left for one more connection.
constexpr std::chrono::milliseconds accept_again_after{100};
/// A rank that has not joined within this time is worth a word when the wait is ended.
constexpr std::chrono::seconds late_after{2};
/// When it is first told who is missing, and how often again.
constexpr std::chrono::seconds first_missing_word{5};
constexpr std::chrono::seconds missing_word_again{60};
constexpr size_t most_ranks_listed = 16;

// What is printed when several things happen at once: the cause, not its consequences.
enum Weight { by_signal, by_secondary, by_keeper, by_loss, by_config, by_failure };

}  // namespace

Hub::Hub(HubPlan plan)
    : Watcher(0, plan.world_size),
      plan_(std::move(plan)),
      next_missing_word_(Clock::now() + first_missing_word) {
    joined_ranks_.assign(size_t(world_size_), false);
    joined_ranks_[0] = true;
    plan_.table->on_change([this] { wake(); });
    start_thread();
}

Hub::~Hub() {
    stop_thread();
    plan_.table->on_change({});
}

void Hub::collect(std::vector<pollfd>& waits) {
    answer_waiting_requests();
    if (!ending_ && Clock::now() >= next_accept_)
        for (const FileDescriptor& socket : plan_.listener.sockets)
            waits.push_back({socket.get(), POLLIN, 0});
    for (const auto& peer : peers_) {
        const short events = POLLIN | (peer->connection.has_unsent() ? POLLOUT : 0);
        waits.push_back({peer->connection.fd(), events, 0});
    }
}

void Hub::handle(const pollfd& ready) {
    for (const FileDescriptor& socket : plan_.listener.sockets)
        if (ready.fd == socket.get()) return accept_one(socket.get());
    const auto found = std::find_if(peers_.begin(), peers_.end(), [&](const auto& peer) {
        return peer->connection.fd() == ready.fd;
    });
    if (found == peers_.end()) return;
    Peer& peer = **found;
    peer.connection.flush();
    if (!(ready.revents & (POLLIN | POLLHUP | POLLERR))) return;
    const bool open = peer.connection.receive();
    try {
        while (const std::optional<Frame> frame = peer.connection.next()) take(peer, *frame);
    } catch (const ProtocolError& error) {
        if (peer.rank > 0 && !ending_)
            judge_failure({.rank = peer.rank,
                           .host = peer.member.host,
                           .beat = peer.beat,
                           .text = concat("what came from this rank is not what it can have sent: ",
                                          error.what())});
        return gone(peer);
    }
    if (!open) gone(peer);
}

void Hub::accept_one(int listener) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        // Else the socket would be ready again at once.
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            next_accept_ = Clock::now() + accept_again_after;
        return;
    }
    auto peer = std::make_unique<Peer>();
    peer->connection = Connection(FileDescriptor(fd));
    peer->heard = Clock::now();
    const auto stranger = [](const auto& each) { return each->rank < 0; };
    if (size_t(std::count_if(peers_.begin(), peers_.end(), stranger)) >= most_strangers)
        peers_.erase(std::find_if(peers_.begin(), peers_.end(), stranger));
    peers_.push_back(std::move(peer));
}

void Hub::take_first_words(Peer& peer, const Frame& frame) {
    if (peer.goodbye) throw ProtocolError("it was refused");
    if (peer.connection.is_protected()) {
        if (frame.type != FrameType::join) throw ProtocolError("it did not join");
        return admit(peer, PayloadReader(frame.payload));
    }
    if (!peer.handshake) {
        if (frame.type != FrameType::hello) throw ProtocolError("no hello");
        peer.handshake = std::make_unique<HubHandshake>(plan_.secret, frame.payload);
        if (peer.handshake->hello().meeting == plan_.nonce)
            return peer.connection.send(FrameType::challenge, peer.handshake->challenge());
        peer.connection.send(FrameType::refused, "another job listens there");
        peer.goodbye = true;
        return;
    }
    if (frame.type != FrameType::proof) throw ProtocolError("no proof");
    peer.connection.protect(peer.handshake->verify(frame.payload));
}

void Hub::take(Peer& peer, const Frame& frame) {
    if (peer.rank < 0) return take_first_words(peer, frame);
    peer.heard = Clock::now();
    switch (frame.type) {
        case FrameType::heartbeat:
            // Of one that has failed the last is kept in which it waited for others.
            if (!peer.failed) peer.beat = Report::decode(frame.payload).beat;
            return;
        case FrameType::warning:
            return warnings_.add(peer.rank, frame.payload, peer.heard);
        case FrameType::failure:
            peer.failed = true;
            return judge_failure(Report::decode(frame.payload));
        case FrameType::stopped:
            return judge_signal(Report::decode(frame.payload));
        case FrameType::done:
            peer.done = true;
            if (!first_done_) first_done_ = Clock::now();
            return check_done();
        case FrameType::given_up:
            // This process did not answer, and the others have said so and ended.
            say_no_more_at_signals();
            end_process(1, false);
        case FrameType::goodbye:
            // Before all are done nobody may leave: then its connection counts as lost.
            peer.goodbye = all_done_;
            return;
        case FrameType::store_request:
            return take_request(peer, frame.payload);
        default:
            throw ProtocolError("not for rank 0");
    }
}

/// It has proved to be of this job.
void Hub::admit(Peer& peer, PayloadReader reader) {
    const int rank = peer.handshake->hello().rank;
    const int world_size = peer.handshake->hello().world_size;
    Member member = decode_info(reader);
    auto refuse = [&](const std::string& why) {
        peer.connection.send(FrameType::refused, why);
        peer.goodbye = true;
    };
    if (world_size != world_size_ || rank < 1 || rank >= world_size_) {
        Report wrong{.rank = rank, .host = member.host};
        wrong.text =
            concat("this rank was started as ", rank, " of ", world_size, ", but rank 0 as one of ",
                   world_size_, "; start all ranks with the same world size");
        return judge_failure(wrong);
    }
    if (find(rank)) return refuse(concat("a job runs there that has its rank ", rank, " already"));
    peer.rank = rank;
    peer.member = std::move(member);
    peer.heard = Clock::now();
    peer.connection.send(FrameType::accepted);
    {
        const std::lock_guard lock(joined_mutex_);
        joined_ranks_[size_t(rank)] = true;
    }
    if (present() == world_size_ && !welcomed_) welcome_all();
}

void Hub::take_request(const Peer& peer, const std::string& payload) {
    waiting_requests_.push_back({peer.rank, NumberedRequest::decode(payload)});
    answer_waiting_requests();
}

/// One that is answered may be what another waits for.
void Hub::answer_waiting_requests() {
    const auto answer = [this](const WaitingRequest& waiting) {
        Peer* const peer = find(waiting.rank);
        if (!peer) return true;
        const std::optional<StoreReply> reply = plan_.table->attempt(waiting.asked.request);
        if (reply)
            peer->connection.send(FrameType::store_reply,
                                  encode_reply(waiting.asked.number, *reply));
        return reply.has_value();
    };
    while (std::erase_if(waiting_requests_, answer) > 0) continue;
}

void Hub::welcome_all() {
    welcomed_ = true;
    // Nobody else is to come.
    plan_.listener.sockets.clear();
    std::vector<Member> members(static_cast<size_t>(world_size_));
    members[0] = {.host = host_, .host_id = host_id(), .addresses = {}, .address = loopback};
    for (const auto& peer : peers_) {
        if (peer->rank <= 0) continue;
        members[size_t(peer->rank)] = peer->member;
        // This host's address on the network is the one at which other hosts reached it.
        if (peer->member.host_id != host_id())
            members[0].address = local_address(peer->connection.fd());
    }
    for (Member& member : members)
        if (member.host_id == host_id()) member.address = members[0].address;
    PayloadWriter writer;
    for (const Member& member : members) encode_info(writer, member);
    send_all(FrameType::welcome, writer.bytes());
    set_members(std::move(members));
}

void Hub::gone(Peer& peer) {
    if (peer.handshake && !peer.connection.is_protected() && !peer.goodbye) strangers_came_ = true;
    const bool lost = peer.rank > 0 && !peer.goodbye && !ending_;
    if (lost) {
        const std::chrono::duration<double> silence = Clock::now() - peer.heard;
        Verdict verdict{.weight = by_loss, .report = {}, .line = {}, .when = Clock::now()};
        verdict.line = lost_line(peer.rank, peer.member.host, peer.beat, silence.count());
        judge(std::move(verdict));
    }
    std::erase_if(peers_, [&](const auto& each) { return each.get() == &peer; });
}

void Hub::warned_here(const std::string& text) {
    warnings_.add(rank_, text, Clock::now());
}

void Hub::tell_last_warnings() {
    print_warnings(warnings_.take_all());
    printer_.finish();
}

void Hub::print_warnings(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) printer_.post([line] { log_collected(line); });
}

void Hub::failed_here(Report report) {
    own_failed_ = true;
    judge_failure(std::move(report));
}

void Hub::stopped_here(int signal) {
    // Nobody is late yet: who sent the signal knows why, or another rank that has waited says it
    // (this one may just have been woken).
    if (!welcomed_ && Clock::now() - began_ < late_after) end_process(128 + signal, true);
    // A launcher ends all when one of them ends, and that one may have had no time to say why.
    judge_signal(report(concat("stopped by ", signal_name(signal),
                               welcomed_ ? "" : " while it waited: " + missing()),
                        128 + signal));
}

void Hub::judge_signal(Report report) {
    const Clock::time_point when = Clock::now() + EndTimes::signal;
    judge({.weight = by_signal, .report = report, .line = failure_line(report), .when = when});
}

void Hub::judge_failure(Report report) {
    Clock::time_point when = Clock::now();
    int weight = by_failure;
    if (report.status == 2) {
        // Mostly every rank finds the same mistake, and then it is no matter of one rank.
        config_errors_[report.rank] = report.text;
        weight = by_config;
        if (config_errors_.size() < size_t(world_size_)) when += EndTimes::same_error;
    } else if (report.secondary) {
        weight = by_secondary;
        when += EndTimes::secondary;
    }
    judge({.weight = weight, .report = report, .line = failure_line(report), .when = when});
}

void Hub::judge(Verdict verdict) {
    if (verdict_ && verdict_->weight >= verdict.weight) {
        verdict_->when = std::min(verdict_->when, verdict.when);
        return;
    }
    verdict_ = std::move(verdict);
}

void Hub::end_job() {
    if (verdict_->weight == by_secondary) {
        // Nobody has told the cause. Who has stood still for that long may be it.
        const auto least = std::max(EndTimes::silence, limit() / 2);
        std::optional<Keeper> keeper = find_silent(Clock::now(), least);
        if (!keeper && limit().count() > 0) keeper = find_still(limit() / 2);
        if (keeper) verdict_->line = keeper->line;
    }
    ending_ = true;
    deadline_ = Clock::now() + EndTimes::leave;
    const bool same_everywhere =
        verdict_->weight == by_config && config_errors_.size() == size_t(world_size_) &&
        std::all_of(config_errors_.begin(), config_errors_.end(), [this](const auto& each) {
            return each.second == config_errors_.begin()->second;
        });
    tell_last_warnings();
    // A launcher that sees the first rank end sends SIGTERM to the others, this one too.
    say_no_more_at_signals();
    print_last_words(same_everywhere ? verdict_->report.text : verdict_->line);
    const std::string status = PayloadWriter().number(verdict_->report.status).bytes();
    for (const auto& peer : peers_)
        if (peer->connection.is_protected()) peer->connection.send(FrameType::end, status);
}

void Hub::done_here() {
    own_done_ = true;
    if (!first_done_) first_done_ = Clock::now();
    check_done();
}

void Hub::check_done() {
    const bool all = own_done_ && present() == world_size_ &&
                     std::all_of(peers_.begin(), peers_.end(),
                                 [](const auto& peer) { return peer->rank < 0 || peer->done; });
    if (!all || all_done_ || verdict_) return;
    all_done_ = true;
    closing_since_ = Clock::now();
    send_all(FrameType::all_done);
    set_all_done();
}

void Hub::leave_here() {
    leaving_ = true;
}

void Hub::send_beat(const Beat& own) {
    if (!own_failed_) own_beat_ = own;
    Report mine = report("", 0);
    mine.beat = own;
    send_all(FrameType::heartbeat, mine.encode());
}

void Hub::excuse(Clock::duration pause) {
    for (const auto& peer : peers_) peer->heard += pause;
    if (first_done_) *first_done_ += pause;
    if (closing_since_) *closing_since_ += pause;
}

// ---- who keeps the others waiting

Hub::Keeper Hub::make_keeper(int rank, const std::string& host, const Beat& beat,
                             const std::string& text) {
    return {{.rank = rank, .host = host, .beat = beat}, hanging_line(rank, host, beat, text)};
}

/// Does not send its heartbeats any more.
std::optional<Hub::Keeper> Hub::find_silent(Clock::time_point now,
                                            std::chrono::milliseconds least) const {
    for (const auto& peer : peers_) {
        const auto silence =
            std::chrono::duration_cast<std::chrono::milliseconds>(now - peer->heard);
        if (peer->rank < 0 || peer->goodbye || silence < least) continue;
        return Keeper{{.rank = peer->rank, .host = peer->member.host, .beat = peer->beat},
                      silent_line(peer->rank, peer->member.host, peer->beat, too_long(silence))};
    }
    return std::nullopt;
}

/// Has been at one place for so long, which is none where it waits for others, while others do; or
/// waits for one that has done all it does.
std::optional<Hub::Keeper> Hub::find_still(std::chrono::milliseconds least) const {
    struct Rank {
        int rank;
        std::string host;
        Beat beat;
        bool failed;
        bool done;
    };
    std::vector<Rank> ranks{{rank_, host_, own_beat_, own_failed_, own_done_}};
    for (const auto& peer : peers_)
        if (peer->rank > 0)
            ranks.push_back({peer->rank, peer->member.host, peer->beat, peer->failed, peer->done});
    std::sort(ranks.begin(), ranks.end(),
              [](const Rank& a, const Rank& b) { return a.rank < b.rank; });
    const auto waits = std::find_if(ranks.begin(), ranks.end(), [&](const Rank& each) {
        const bool waits = !each.beat.waits_in.empty() && each.beat.waits >= least;
        return each.done || (waits_are_seen() && (each.failed || waits));
    });
    if (waits == ranks.end()) return std::nullopt;
    std::vector<std::string> more;
    std::optional<Rank> first;
    for (const Rank& each : ranks) {
        if (each.failed || each.done || !each.beat.waits_in.empty() || each.beat.still < least)
            continue;
        first ? more.push_back(std::to_string(each.rank)) : void(first.emplace(each));
    }
    if (!first) {
        if (!waits->done) return std::nullopt;
        const auto in_vain = std::find_if(ranks.begin(), ranks.end(), [&](const Rank& each) {
            return !each.failed && !each.done && !each.beat.waits_in.empty() &&
                   each.beat.waits >= least;
        });
        if (in_vain == ranks.end()) return std::nullopt;
        return make_keeper(
            in_vain->rank, in_vain->host, in_vain->beat,
            concat("it has waited for ", too_long(in_vain->beat.waits), " in ",
                   in_vain->beat.waits_in, ", to which rank ", waits->rank,
                   " does not come, whose run is over: the ranks have not done the same"));
    }
    std::string text = concat("it has not gone on for ", too_long(first->beat.still), ", and rank ",
                              waits->rank, " waits for it");
    if (waits->done) text += " to end";
    if (!waits->beat.waits_in.empty() && !waits->done) text += " in " + waits->beat.waits_in;
    if (!more.empty()) text += concat("; so it is with rank ", join(more));
    return make_keeper(first->rank, first->host, first->beat, text);
}

/// Has not closed what it uses long after the run was over everywhere.
std::optional<Hub::Keeper> Hub::find_late(Clock::time_point now) const {
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(now - *closing_since_);
    if (since < std::max<std::chrono::milliseconds>(limit(), EndTimes::closing))
        return std::nullopt;
    const std::string text =
        concat("the run is over, but this rank has not closed its backend for ", too_long(since));
    for (const auto& peer : peers_)
        if (peer->rank > 0 && !peer->goodbye)
            return make_keeper(peer->rank, peer->member.host, peer->beat, text);
    return make_keeper(rank_, host_, own_beat_, text);
}

void Hub::look_for_keepers(Clock::time_point now) {
    if (limit().count() == 0 || ending_ || (verdict_ && verdict_->weight >= by_keeper)) return;
    std::optional<Keeper> keeper = find_silent(now, std::max(limit(), EndTimes::silence));
    if (!keeper && closing_since_) keeper = find_late(now);
    const bool may_wait_for_end = !first_done_ || now - *first_done_ >= limit();
    if (!keeper && !closing_since_ && may_wait_for_end) keeper = find_still(limit());
    if (!keeper) return;
    judge({.weight = by_keeper, .report = keeper->report, .line = keeper->line, .when = now});
}

Clock::time_point Hub::tick(Clock::time_point now) {
    const auto far = now + std::chrono::hours(1);
    std::erase_if(peers_, [&](const auto& peer) {
        return peer->rank < 0 && now - peer->heard > join_within;
    });
    say_who_is_missing(now);
    print_warnings(warnings_.take_due(now));
    look_for_keepers(now);
    if (verdict_ && !ending_ && now >= verdict_->when) end_job();
    const bool alone = present() == 1;
    if (ending_) {
        if (alone || now >= deadline_) end_process(verdict_->report.status, !alone);
        return deadline_;
    }
    if (leaving_) {
        const bool all_left = std::all_of(peers_.begin(), peers_.end(), [](const auto& peer) {
            return peer->rank < 0 || peer->goodbye;
        });
        // Leaving early is a failure that the others shall notice at once.
        left_ = all_left || !all_done_;
    }
    if (!welcomed_) return std::min(verdict_ ? verdict_->when : far, next_missing_word_);
    return std::min(verdict_ ? verdict_->when : far, warnings_.next().value_or(far));
}

void Hub::say_who_is_missing(Clock::time_point now) {
    if (welcomed_ || ending_ || leaving_ || now < next_missing_word_) return;
    next_missing_word_ = now + missing_word_again;
    print_warnings({concat("waiting for ", missing_ranks(), " of ", world_size_, ". ", hint())});
}

/// What may be wrong where ranks are missing.
std::string Hub::hint() const {
    return concat(plan_.hint, strangers_came_ ? " Somebody came who does not know the secret of "
                                                "this job: is AILAB_SECRET the same for all ranks?"
                                              : "");
}

std::string Hub::missing_ranks() {
    std::vector<std::string> ranks;
    size_t count = 0;
    const std::lock_guard lock(joined_mutex_);
    for (size_t rank = 0; rank < joined_ranks_.size(); ++rank)
        if (!joined_ranks_[rank] && ++count <= most_ranks_listed)
            ranks.push_back(std::to_string(rank));
    return concat(count == 1 ? "rank " : "ranks ", join(ranks),
                  count > ranks.size() ? concat(" and ", count - ranks.size(), " more") : "");
}

std::string Hub::missing() {
    return concat("of ", world_size_, " ranks, these did not join in time: ",
                  missing_ranks().substr(missing_ranks().find(' ') + 1), ". ", hint());
}

Hub::Peer* Hub::find(int rank) {
    for (const auto& peer : peers_)
        if (peer->rank == rank) return peer.get();
    return nullptr;
}

int Hub::present() const {
    return 1 + int(std::count_if(peers_.begin(), peers_.end(),
                                 [](const auto& peer) { return peer->rank > 0; }));
}

void Hub::send_all(FrameType type, const std::string& payload) {
    for (const auto& peer : peers_)
        if (peer->rank > 0) peer->connection.send(type, payload);
}

}  // namespace ailab::dist
