#include "spoke.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "ailab/error.hpp"
#include "log/log.hpp"
#include "member.hpp"
#include "signals.hpp"
#include "warnings.hpp"

namespace ailab::dist {
namespace {

/// How long a rank that is stopped, or whose host is down, may keep the others waiting.
constexpr std::chrono::milliseconds word_within{1000};
/// The rank that prints stays this long to tell slower ones that it did.
constexpr std::chrono::milliseconds linger{1000};
constexpr std::chrono::seconds answer_within{5};
/// After this long rank 0 has printed a warning, if it lives.
constexpr std::chrono::milliseconds printed_within = 4 * WarningCollector::moment;

int status_of(const Frame& end) {
    return int(PayloadReader(end.payload).number());
}

}  // namespace

std::string Meeting::encode() const {
    return PayloadWriter().text(nonce).text(host_id).number(port).texts(addresses).bytes();
}

Meeting Meeting::decode(const std::string& bytes) {
    PayloadReader reader(bytes);
    Meeting meeting;
    meeting.nonce = reader.text();
    meeting.host_id = reader.text();
    meeting.port = uint16_t(reader.number());
    meeting.addresses = reader.texts();
    return meeting;
}

namespace {

/// The next frame. Throws ProtocolError when none comes in time.
Frame wait_for_frame(Connection& connection, Clock::time_point deadline) {
    bool open = true;
    while (true) {
        if (std::optional<Frame> frame = connection.next()) return std::move(*frame);
        if (!open) throw ProtocolError("the connection was closed without a word of this job");
        if (Clock::now() >= deadline)
            throw ProtocolError(
                "no answer (another program may hold that port, or AILAB_SECRET is "
                "not the same for all ranks)");
        pollfd wait{connection.fd(), POLLIN, 0};
        ::poll(&wait, 1, milliseconds_until(deadline));
        open = connection.receive();
    }
}

/// Where others of the job reach this rank: over the network that leads to rank 0.
std::vector<std::string> spoke_addresses(const Connection& hub, bool one_host) {
    if (one_host) return {loopback};
    // Ranks of the own host come by the loopback, see reach().
    const std::string used = local_address(hub.fd());
    if (!is_loopback(used)) return {used, loopback};
    std::vector<std::string> all = own_addresses();
    all.push_back(loopback);
    return all;
}

}  // namespace

std::optional<Admission> join_hub(FileDescriptor connected, const std::string& nonce,
                                  const JoiningRank& self, Clock::time_point deadline,
                                  std::string& why) {
    deadline = std::min(deadline, Clock::now() + answer_within);
    Connection hub(std::move(connected));
    const RankHandshake handshake(self.secret, nonce, self.rank, self.world_size);
    try {
        hub.send(FrameType::hello, handshake.hello());
        const Frame answer = wait_for_frame(hub, deadline);
        if (answer.type == FrameType::refused) throw ProtocolError(answer.payload);
        if (answer.type != FrameType::challenge) throw ProtocolError("a strange answer");
        RankHandshake::Answer mine = handshake.answer(answer.payload);
        hub.send(FrameType::proof, mine.proof);
        hub.protect(std::move(mine.keys));

        const std::vector<std::string> addresses = spoke_addresses(hub, self.one_host);
        Listener listener = listen_on(addresses, 0);
        Member info{.host = host_name(),
                    .host_id = host_id(),
                    .addresses = {},
                    .port = listener.port,
                    .address = local_address(hub.fd())};
        for (const std::string& address : addresses)
            if (!is_loopback(address)) info.addresses.push_back(address);
        PayloadWriter join;
        encode_info(join, info);
        hub.send(FrameType::join, join.bytes());
        const Frame verdict = wait_for_frame(hub, deadline);
        if (verdict.type == FrameType::end) ::_exit(status_of(verdict));
        if (verdict.type == FrameType::refused) throw ProtocolError(verdict.payload);
        if (verdict.type != FrameType::accepted) throw ProtocolError("a strange answer");
        return Admission{std::move(hub), std::move(listener)};
    } catch (const ProtocolError& error) {
        why = error.what();
        return std::nullopt;
    }
}

Spoke::Spoke(int rank, int world_size, Admission admission, std::shared_ptr<StoreClient> store)
    : Watcher(rank, world_size),
      hub_(std::move(admission.hub)),
      listener_(std::move(admission.listener)),
      store_(std::move(store)),
      hub_heard_(Clock::now()) {
    // Frames may have come in one piece with the hub's answer.
    while (const std::optional<Frame> frame = hub_.next()) take(*frame);
    store_->on_request([this] { wake(); });
    start_thread();
}

Spoke::~Spoke() {
    stop_thread();
    store_->close();
}

void Spoke::collect(std::vector<pollfd>& waits) {
    for (const std::string& request : store_->take_requests())
        hub_.send(FrameType::store_request, request);
    const short events = POLLIN | (hub_.has_unsent() ? POLLOUT : 0);
    if (hub_.open()) waits.push_back({hub_.fd(), events, 0});
}

void Spoke::handle(const pollfd& ready) {
    hub_.flush();
    if (!(ready.revents & (POLLIN | POLLHUP | POLLERR))) return;
    bool open = hub_.receive();
    try {
        while (const std::optional<Frame> frame = hub_.next()) take(*frame);
    } catch (const ProtocolError&) {
        open = false;
    }
    if (open) return;
    hub_.close();
    if (!leaving_) hub_lost();
}

void Spoke::take(const Frame& frame) {
    hub_heard_ = Clock::now();
    switch (frame.type) {
        case FrameType::heartbeat:
            hub_beat_ = Report::decode(frame.payload).beat;
            return;
        case FrameType::welcome:
            return take_welcome(frame.payload);
        case FrameType::store_reply:
            return store_->take_reply(frame.payload);
        case FrameType::end:
            end_process(status_of(frame), false);
        case FrameType::all_done:
            warnings_.clear();  // they came before the hub knew that this rank is done
            return set_all_done();
        default:
            throw ProtocolError("not from rank 0");
    }
}

void Spoke::take_welcome(const std::string& payload) {
    PayloadReader reader(payload);
    for (int rank = 0; rank < world_size_; ++rank) known_.push_back(decode_info(reader));
    set_members(known_);
}

void Spoke::warned_here(const std::string& text) {
    hub_.send(FrameType::warning, text);
    const Clock::time_point now = Clock::now();
    while (!warnings_.empty() && now - warnings_.front().first > printed_within)
        warnings_.pop_front();
    warnings_.emplace_back(now, text);
}

void Spoke::tell_last_warnings() {
    if (hub_.open()) return;
    const Clock::time_point now = Clock::now();
    for (const auto& [when, text] : warnings_)
        if (now - when <= printed_within) log_collected(told_by({rank_}, text));
    warnings_.clear();
}

void Spoke::failed_here(Report report) {
    ask_for_end(std::move(report), FrameType::failure);
}

void Spoke::stopped_here(int signal) {
    if (pending_) return;
    ask_for_end(report(concat("stopped by ", signal_name(signal)), 128 + signal),
                FrameType::stopped);
}

void Spoke::ask_for_end(Report report, FrameType type) {
    hub_.send(type, report.encode());
    pending_ = std::move(report);
    deadline_ = Clock::now() + EndTimes::answer;
}

void Spoke::done_here() {
    hub_.send(FrameType::done);
}

void Spoke::leave_here() {
    hub_.send(FrameType::goodbye);
    store_->close();
    leaving_ = true;
    deadline_ = Clock::now() + EndTimes::leave;
}

void Spoke::send_beat(const Beat& own) {
    Report mine = report("", 0);
    mine.beat = own;
    hub_.send(FrameType::heartbeat, mine.encode());
}

void Spoke::excuse(Clock::duration pause) {
    hub_heard_ += pause;
}

Clock::time_point Spoke::tick(Clock::time_point now) {
    if (leaving_) {
        left_ = !hub_.open() || !hub_.has_unsent() || now >= deadline_;
        return deadline_;
    }
    const auto silence = std::chrono::duration_cast<std::chrono::milliseconds>(now - hub_heard_);
    if (limit().count() > 0 && silence >= std::max(limit(), EndTimes::silence)) hub_silent(silence);
    if (!pending_) return now + std::chrono::hours(1);
    if (now < deadline_) return deadline_;
    // Rank 0 does not answer any more.
    if (silence >= EndTimes::silence && limit().count() > 0) hub_silent(silence);
    print_last_words(failure_line(*pending_));
    end_process(pending_->status, true);
}

namespace {

/// Whether this process is asked to end, now or within the time that a launcher takes to ask.
bool asked_to_end() {
    for (const Clock::time_point deadline = Clock::now() + word_within;
         stop_requested() == 0 && Clock::now() < deadline;)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return stop_requested() != 0;
}

}  // namespace

void Spoke::hub_lost() {
    // Not all ranks have met: one that died as it was started has the launcher end the others, and
    // rank 0 was the first of them. Who it was the launcher alone knows.
    if (known_.empty() && asked_to_end()) end_process(128 + stop_requested(), false);
    const std::chrono::duration<double> silence = Clock::now() - hub_heard_;
    speak_for_hub(
        lost_line(0, known_.empty() ? "unknown host" : known_[0].host, hub_beat_, silence.count()),
        false);
}

void Spoke::hub_silent(std::chrono::milliseconds silence) {
    speak_for_hub(silent_line(0, known_.empty() ? "unknown host" : known_[0].host, hub_beat_,
                              too_long(silence)),
                  true);
}

void Spoke::speak_for_hub(const std::string& line, bool others_may_run) {
    // Should it wake, it has nothing to add.
    if (hub_.open()) hub_.send(FrameType::given_up);
    if (pending_ && !pending_->secondary && pending_->status < 128) {  // this rank's own failure
        print_last_words(failure_line(*pending_));
        end_process(pending_->status, others_may_run);
    }
    if (lower_rank_speaks()) end_process(1, others_may_run);
    print_last_words(line);
    tell_higher_ranks();
    end_process(1, true);
}

bool Spoke::lower_rank_speaks() {
    for (int rank = 1; rank < rank_ && !known_.empty(); ++rank) {
        const Member& other = known_[size_t(rank)];
        const Clock::time_point deadline = Clock::now() + word_within;
        std::string why;
        const FileDescriptor fd = reach(other.host_id, other.addresses, other.port, deadline, why);
        if (!fd) continue;
        // The kernel accepts for a process that is just being killed, too: only its word counts.
        pollfd wait{fd.get(), POLLIN, 0};
        char word = 0;
        if (::poll(&wait, 1, milliseconds_until(deadline)) > 0 &&
            ::recv(fd.get(), &word, 1, MSG_DONTWAIT) == 1)
            return true;
    }
    return false;
}

void Spoke::tell_higher_ranks() {
    const Clock::time_point deadline = Clock::now() + linger;
    std::vector<FileDescriptor> told;  // kept open, so that the word arrives
    std::vector<pollfd> waits;
    for (const FileDescriptor& socket : listener_.sockets)
        waits.push_back({socket.get(), POLLIN, 0});
    while (Clock::now() < deadline) {
        if (::poll(waits.data(), waits.size(), milliseconds_until(deadline)) <= 0) continue;
        for (const pollfd& ready : waits) {
            if (ready.revents == 0) continue;
            FileDescriptor fd(::accept4(ready.fd, nullptr, nullptr, SOCK_CLOEXEC));
            if (!fd) continue;
            const char word = 1;
            (void)!::send(fd.get(), &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
            told.push_back(std::move(fd));
        }
    }
}

std::string Spoke::missing() {
    return concat("rank 0 did not say within the time allowed that all ", world_size_,
                  " ranks are there");
}

}  // namespace ailab::dist
