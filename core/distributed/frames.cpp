#include "frames.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "ailab/error.hpp"
#include "secret.hpp"

namespace ailab::dist {
namespace {

constexpr size_t header_size = sizeof(uint32_t) + sizeof(uint8_t);
constexpr size_t mac_size = 16;
/// A stranger can make this process keep no more than this.
constexpr size_t largest_of_stranger = 1 << 10;
constexpr size_t largest_of_rank = 64 << 20;
/// A peer that takes nothing any more gets no more either; it is found out by other means.
constexpr size_t largest_backlog = 4 << 20;
constexpr size_t largest_received = 1 << 20;  // in one call

std::string mac(const std::string& key, uint64_t number, std::string_view header_and_payload) {
    std::string text(reinterpret_cast<const char*>(&number), sizeof number);
    text.append(header_and_payload);
    return hmac(key, text).substr(0, mac_size);
}

}  // namespace

PayloadWriter& PayloadWriter::number(int64_t value) {
    // All ranks of a job run the same binary on the same kind of machine: host byte order.
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
}

PayloadWriter& PayloadWriter::text(std::string_view value) {
    number(int64_t(value.size()));
    bytes_.append(value);
    return *this;
}

PayloadWriter& PayloadWriter::texts(const std::vector<std::string>& values) {
    number(int64_t(values.size()));
    for (const std::string& value : values) text(value);
    return *this;
}

std::string_view PayloadReader::take(size_t count) {
    if (count > bytes_.size()) throw ProtocolError("a frame is shorter than it says");
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
}

int64_t PayloadReader::number() {
    int64_t value = 0;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
}

std::string PayloadReader::text() {
    const int64_t size = number();
    if (size < 0) throw ProtocolError("a frame holds a text of negative size");
    return std::string(take(size_t(size)));
}

std::vector<std::string> PayloadReader::texts() {
    std::vector<std::string> values;
    for (int64_t left = number(); left > 0; --left) values.push_back(text());
    return values;
}

Connection::Connection(FileDescriptor fd) : fd_(std::move(fd)) {
    const int flags = ::fcntl(fd_.get(), F_GETFL);
    ::fcntl(fd_.get(), F_SETFL, flags | O_NONBLOCK);
}

void Connection::protect(FrameKeys keys) {
    keys_ = std::move(keys);
}

size_t Connection::largest_payload() const {
    return is_protected() ? largest_of_rank : largest_of_stranger;
}

void Connection::send(FrameType type, const std::string& payload) {
    // An answer that is waited for comes whole or not at all, and never more of them than were
    // asked for.
    const bool may_be_dropped = type != FrameType::store_reply && type != FrameType::store_request;
    if (!fd_ || (may_be_dropped && unsent_.size() > largest_backlog)) return;
    if (payload.size() > largest_payload())
        throw Error(concat("a text of ", payload.size(), " bytes for another rank is too long: ",
                           largest_payload(), " are the most"));
    const auto size = uint32_t(payload.size());
    std::string frame(reinterpret_cast<const char*>(&size), sizeof size);
    frame.push_back(char(type));
    frame.append(payload);
    if (is_protected()) frame.append(mac(keys_.send, sent_++, frame));
    unsent_.append(frame);
    flush();
}

void Connection::flush() {
    while (fd_ && !unsent_.empty()) {
        const ssize_t sent =
            ::send(fd_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (sent < 0) {  // a broken connection is noticed, and reported, by receive()
            unsent_.clear();
            return;
        }
        unsent_.erase(0, size_t(sent));
    }
}

bool Connection::receive() {
    std::array<char, 16384> buffer;
    for (size_t total = 0; total < largest_received;) {
        const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got > 0) {
            received_.append(buffer.data(), size_t(got));
            total += size_t(got);
            // What a stranger sends is looked at first.
            if (!is_protected()) return true;
        } else if (got == 0 || errno != EINTR) {
            return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
        }
    }
    return true;
}

std::optional<Frame> Connection::next() {
    const std::string_view waiting = std::string_view(received_).substr(given_);
    uint32_t size = 0;
    if (waiting.size() >= header_size) std::memcpy(&size, waiting.data(), sizeof size);
    if (size > largest_payload()) throw ProtocolError("a frame is larger than any can be");
    const size_t without_mac = header_size + size;
    const size_t whole = without_mac + (is_protected() ? mac_size : 0);
    if (waiting.size() < whole) {
        // Not after each frame: a peer may send a million small ones at once.
        received_.erase(0, std::exchange(given_, 0));
        return std::nullopt;
    }
    if (is_protected() &&
        !equal_in_secret(waiting.substr(without_mac, mac_size),
                         mac(keys_.receive, taken_, waiting.substr(0, without_mac))))
        throw ProtocolError("a frame was changed, repeated or left out on its way");
    if (is_protected()) ++taken_;
    Frame frame{FrameType(waiting[sizeof size]), std::string(waiting.substr(header_size, size))};
    given_ += whole;
    return frame;
}

}  // namespace ailab::dist
