#pragma once
// How two processes of a job make sure of each other. docs/security.md says it at more length:
//
//   rank -> hub   hello      magic, the meeting's nonce, rank, world size, the rank's challenge
//   hub  -> rank  challenge  the hub's challenge, HMAC(secret, "hub" | transcript)
//   rank -> hub   proof      HMAC(secret, "rank" | transcript)
//
// The transcript is everything said in the clear, so neither end can be told another story, and the
// challenges are fresh, so nothing heard before is worth anything. From then on every frame carries
// a MAC of its number, under a key of its direction that exists in this connection alone: a frame
// that is changed, repeated, left out, moved or sent back ends the connection. Texts are not
// encrypted.
#include <string>
#include <string_view>

#include "frames.hpp"

namespace ailab::dist {

/// What the rank's end says first, in the clear.
struct Hello {
    std::string meeting;  // the nonce of the meeting it looks for; may be empty
    int rank = -1;
    int world_size = 0;
    std::string challenge;

    std::string encode() const;
    /// Throws ProtocolError.
    static Hello decode(std::string_view bytes);
};

/// The hub's answer: its own challenge, and its proof that it knows the secret.
struct Challenge {
    std::string challenge;
    std::string proof;

    std::string encode() const;
    /// Throws ProtocolError.
    static Challenge decode(std::string_view bytes);
};

/// The rank's end of one connection.
class RankHandshake {
  public:
    RankHandshake(std::string secret, std::string meeting, int rank, int world_size);

    std::string hello() const { return hello_.encode(); }
    /// Throws ProtocolError when the hub does not know the secret.
    struct Answer {
        std::string proof;
        FrameKeys keys;
    };
    Answer answer(std::string_view challenge) const;

  private:
    const std::string secret_;
    Hello hello_;
};

/// The hub's end of one connection.
class HubHandshake {
  public:
    /// Throws ProtocolError for what is no hello.
    HubHandshake(std::string secret, std::string_view hello);

    const Hello& hello() const { return hello_; }
    std::string challenge() const;
    /// Throws ProtocolError when the rank does not know the secret.
    FrameKeys verify(std::string_view proof) const;

  private:
    const std::string secret_;
    const Hello hello_;
    const std::string challenge_;
};

}  // namespace ailab::dist
