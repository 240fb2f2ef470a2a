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
    hello = 1,  // to rank 0: nonce, rank, world size, RankInfo
    accepted,   // from rank 0: this is the job you look for
    refused,    // from rank 0: it is not (text)
    welcome,    // from rank 0: all ranks are here (their Members)
    heartbeat,  // both ways
    failure,    // to rank 0: what went wrong on this rank
    stopped,    // to rank 0: this rank got a signal
    end,        // from rank 0: exit with this status now
    done,       // to rank 0: the run is over here
    all_done,   // from rank 0: it is over everywhere
    goodbye,    // to rank 0: the connection ends well
    warning,    // to rank 0: to be told with those of other ranks (text)
    given_up,   // to rank 0: it did not answer, which was told, and the job has ended
};

/// The other end sent what this protocol does not have.
struct ProtocolError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class PayloadWriter {
  public:
    PayloadWriter& number(int64_t value);
    PayloadWriter& text(std::string_view value);
    const std::string& bytes() const { return bytes_; }

  private:
    std::string bytes_;
};

class PayloadReader {
  public:
    explicit PayloadReader(std::string_view bytes) : bytes_(bytes) {}
    int64_t number();
    std::string text();

  private:
    std::string_view take(size_t count);
    std::string_view bytes_;
};

struct Frame {
    FrameType type;
    std::string payload;
};

/// A connection that neither reads nor writes ever wait for.
class Connection {
  public:
    Connection() = default;
    explicit Connection(Fd fd);

    int fd() const { return fd_.get(); }
    bool open() const { return bool(fd_); }
    void close() { fd_.reset(); }
    /// Queues the frame and sends what the socket takes.
    void send(FrameType type, const std::string& payload = {});
    void flush();
    bool has_unsent() const { return !unsent_.empty(); }
    /// Takes in what has arrived. False at the end of the connection.
    bool receive();
    /// The next complete frame. Throws ProtocolError.
    std::optional<Frame> next();

  private:
    Fd fd_;
    std::string received_;
    std::string unsent_;
};

}  // namespace ailab::dist
