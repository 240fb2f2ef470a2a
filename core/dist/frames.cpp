#include "frames.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ailab::dist {
namespace {

constexpr size_t header_size = sizeof(uint32_t) + sizeof(uint8_t);
constexpr uint32_t largest_payload = 1 << 20;
/// A peer that takes nothing any more gets no more either; it is found out by other means.
constexpr size_t largest_backlog = 4 << 20;

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

Connection::Connection(Fd fd) : fd_(std::move(fd)) {
    const int flags = ::fcntl(fd_.get(), F_GETFL);
    ::fcntl(fd_.get(), F_SETFL, flags | O_NONBLOCK);
}

void Connection::send(FrameType type, const std::string& payload) {
    if (!fd_ || unsent_.size() > largest_backlog) return;
    const auto size = uint32_t(std::min<size_t>(payload.size(), largest_payload));
    unsent_.append(reinterpret_cast<const char*>(&size), sizeof size);
    unsent_.push_back(char(type));
    unsent_.append(payload, 0, size);
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
    while (true) {
        const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got > 0 && received_.size() < largest_backlog)
            received_.append(buffer.data(), size_t(got));
        else if (got < 0 && errno == EINTR)
            continue;
        else
            return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    }
}

std::optional<Frame> Connection::next() {
    const std::string_view waiting = std::string_view(received_).substr(taken_);
    uint32_t size = 0;
    if (waiting.size() >= header_size) std::memcpy(&size, waiting.data(), sizeof size);
    if (size > largest_payload) throw ProtocolError("a frame is larger than any can be");
    if (waiting.size() < header_size + size) {
        // Not after each frame: a peer may send a million small ones at once.
        received_.erase(0, std::exchange(taken_, 0));
        return std::nullopt;
    }
    taken_ += header_size + size;
    return Frame{FrameType(waiting[sizeof size]), std::string(waiting.substr(header_size, size))};
}

}  // namespace ailab::dist
