#include "spoke.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "ailab/error.hpp"
#include "log/log.hpp"
#include "rank_info.hpp"
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
    PayloadWriter writer;
    writer.number(int64_t(nonce)).text(host_id).number(port).number(int64_t(addresses.size()));
    for (const std::string& address : addresses) writer.text(address);
    return writer.bytes();
}

Meeting Meeting::decode(const std::string& bytes) {
    PayloadReader reader(bytes);
    Meeting meeting;
    meeting.nonce = uint64_t(reader.number());
    meeting.host_id = reader.text();
    meeting.port = uint16_t(reader.number());
    for (int64_t left = reader.number(); left > 0; --left)
        meeting.addresses.push_back(reader.text());
    return meeting;
}

Connection join_meeting(const Meeting& meeting, int rank, int world_size, const RankInfo& self,
                        Clock::time_point deadline, std::string& why) {
    deadline = std::min(deadline, Clock::now() + answer_within);
    Fd fd = reach(meeting.host_id, meeting.addresses, meeting.port, deadline, why);
    if (!fd) return {};
    Connection hub(std::move(fd));
    PayloadWriter hello;
    hello.number(int64_t(meeting.nonce)).number(rank).number(world_size);
    encode_info(hello, self);
    hub.send(FrameType::hello, hello.bytes());
    why = "no answer";
    try {
        while (Clock::now() < deadline) {
            pollfd wait{hub.fd(), POLLIN, 0};
            ::poll(&wait, 1, milliseconds_until(deadline));
            const bool open = hub.receive();
            if (const std::optional<Frame> frame = hub.next()) {
                if (frame->type == FrameType::accepted) return hub;
                if (frame->type == FrameType::end) ::_exit(status_of(*frame));
                why = frame->type == FrameType::refused ? frame->payload : "a strange answer";
                return {};
            }
            if (!open) break;
        }
    } catch (const ProtocolError& error) {
        why = error.what();
    }
    return {};
}

Spoke::Spoke(int rank, int world_size, Connection hub, Listener listener)
    : Watcher(rank, world_size),
      hub_(std::move(hub)),
      listener_(std::move(listener)),
      hub_heard_(Clock::now()) {
    // Frames may have come in one piece with the hub's answer to the hello.
    while (const std::optional<Frame> frame = hub_.next()) take(*frame);
    start_thread();
}

void Spoke::collect(std::vector<pollfd>& waits) {
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
    print_line(failure_line(*pending_));
    end_process(pending_->status, true);
}

void Spoke::hub_lost() {
    const std::chrono::duration<double> silence = Clock::now() - hub_heard_;
    speak_for_hub(
        lost_line(0, known_.empty() ? "unknown host" : known_[0].host, hub_beat_, silence.count()),
        false);
}

void Spoke::hub_silent(std::chrono::milliseconds silence) {
    speak_for_hub(hanging_line(0, known_.empty() ? "unknown host" : known_[0].host, hub_beat_,
                               concat("it has not answered for ", too_long(silence),
                                      ": stopped, or its host hangs")),
                  true);
}

void Spoke::speak_for_hub(const std::string& line, bool others_may_run) {
    // Should it wake, it has nothing to add.
    if (hub_.open()) hub_.send(FrameType::given_up);
    if (pending_ && !pending_->secondary && pending_->status < 128) {  // this rank's own failure
        print_line(failure_line(*pending_));
        end_process(pending_->status, others_may_run);
    }
    if (lower_rank_speaks()) end_process(1, others_may_run);
    print_line(line);
    tell_higher_ranks();
    end_process(1, true);
}

bool Spoke::lower_rank_speaks() {
    for (int rank = 1; rank < rank_ && !known_.empty(); ++rank) {
        const RankInfo& other = known_[size_t(rank)];
        const Clock::time_point deadline = Clock::now() + word_within;
        std::string why;
        const Fd fd = reach(other.host_id, other.addresses, other.port, deadline, why);
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
    std::vector<Fd> told;  // kept open, so that the word arrives
    while (Clock::now() < deadline) {
        pollfd wait{listener_.fd.get(), POLLIN, 0};
        if (::poll(&wait, 1, milliseconds_until(deadline)) <= 0) continue;
        Fd fd(::accept4(listener_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!fd) continue;
        const char word = 1;
        (void)!::send(fd.get(), &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        told.push_back(std::move(fd));
    }
}

std::string Spoke::missing() {
    return concat("rank 0 did not say within the time allowed that all ", world_size_,
                  " ranks are there");
}

}  // namespace ailab::dist
