#pragma once
// The control channel's language: frames of a type and a payload of numbers and texts.
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "net.hpp"

namespace ailab::dist {

enum class FrameType : uint8_t {
    // In the clear, see handshake.hpp.
    hello = 1,  // to rank 0
    challenge,  // from rank 0
    proof,      // to rank 0
    refused,    // from rank 0: it is not the job you look for (text)
    // With a MAC.
    join,           // to rank 0: Member
    accepted,       // from rank 0: this is the job you look for
    welcome,        // from rank 0: all ranks are here (their Members)
    heartbeat,      // both ways
    failure,        // to rank 0: what went wrong on this rank
    stopped,        // to rank 0: this rank got a signal
    end,            // from rank 0: exit with this status now
    done,           // to rank 0: the run is over here
    all_done,       // from rank 0: it is over everywhere
    goodbye,        // to rank 0: the connection ends well
    warning,        // to rank 0: to be told with those of other ranks (text)
    store_request,  // to rank 0: see job_store.hpp
    store_reply,    // from rank 0
    given_up,       // to rank 0: it did not answer, which was told, and the job has ended
};

/// The other end sent what this protocol does not have.
struct ProtocolError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class PayloadWriter {
  public:
    PayloadWriter& number(int64_t value);
    PayloadWriter& text(std::string_view value);
    PayloadWriter& texts(const std::vector<std::string>& values);
    const std::string& bytes() const { return bytes_; }

  private:
    std::string bytes_;
};

/// Throws ProtocolError where the bytes do not hold what is read.
class PayloadReader {
  public:
    explicit PayloadReader(std::string_view bytes) : bytes_(bytes) {}
    int64_t number();
    std::string text();
    std::vector<std::string> texts();
    bool empty() const { return bytes_.empty(); }

  private:
    std::string_view take(size_t count);
    std::string_view bytes_;
};

struct Frame {
    FrameType type;
    std::string payload;
};

/// Of a connection whose ends have made sure of each other.
struct FrameKeys {
    std::string send;
    std::string receive;
};

/// A connection that neither reads nor writes ever wait for.
class Connection {
  public:
    Connection() = default;
    explicit Connection(FileDescriptor fd);

    int fd() const { return fd_.get(); }
    bool open() const { return bool(fd_); }
    void close() { fd_.reset(); }
    /// From the next frame on, both ways, frames are numbered and carry a MAC.
    void protect(FrameKeys keys);
    bool is_protected() const { return !keys_.send.empty(); }
    /// Queues the frame and sends what the socket takes. Throws Error when it is larger than a
    /// frame can be.
    void send(FrameType type, const std::string& payload = {});
    void flush();
    bool has_unsent() const { return !unsent_.empty(); }
    /// Takes in what has arrived, or a part of it. False at the end of the connection.
    bool receive();
    /// The next complete frame. Throws ProtocolError.
    std::optional<Frame> next();

  private:
    size_t largest_payload() const;

    FileDescriptor fd_;
    FrameKeys keys_;
    uint64_t sent_ = 0;  // frames with a MAC
    uint64_t taken_ = 0;
    std::string received_;
    size_t given_ = 0;  // bytes at its beginning that next() has given
    std::string unsent_;
};

}  // namespace ailab::dist
