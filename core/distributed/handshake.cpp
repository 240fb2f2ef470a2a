#include "handshake.hpp"

#include "ailab/error.hpp"
#include "secret.hpp"

namespace ailab::dist {
namespace {

/// With the protocol's version.
const std::string protocol_name = "ailab job 2";
constexpr size_t challenge_size = 32;

std::string transcript(const Hello& hello, const std::string& hub_challenge) {
    return PayloadWriter().text(hello.encode()).text(hub_challenge).bytes();
}

/// Each use of the secret has a name of its own, so that no answer serves for another question.
std::string derive(const std::string& secret, const char* use, const std::string& transcript) {
    return hmac(secret, PayloadWriter().text(use).text(transcript).bytes());
}

std::string hub_proof(const std::string& secret, const std::string& transcript) {
    return derive(secret, "hub", transcript);
}
std::string rank_proof(const std::string& secret, const std::string& transcript) {
    return derive(secret, "rank", transcript);
}
std::string to_hub(const std::string& secret, const std::string& transcript) {
    return derive(secret, "frames to the hub", transcript);
}
std::string to_rank(const std::string& secret, const std::string& transcript) {
    return derive(secret, "frames to the rank", transcript);
}

}  // namespace

std::string Hello::encode() const {
    return PayloadWriter()
        .text(protocol_name)
        .text(meeting)
        .number(rank)
        .number(world_size)
        .text(challenge)
        .bytes();
}

Hello Hello::decode(std::string_view bytes) {
    PayloadReader reader(bytes);
    if (reader.text() != protocol_name)
        throw ProtocolError("what came is no hello of this protocol");
    Hello hello;
    hello.meeting = reader.text();
    hello.rank = int(reader.number());
    hello.world_size = int(reader.number());
    hello.challenge = reader.text();
    if (hello.challenge.size() != challenge_size || !reader.empty())
        throw ProtocolError("what came is no hello of this protocol");
    return hello;
}

std::string Challenge::encode() const {
    return PayloadWriter().text(challenge).text(proof).bytes();
}

Challenge Challenge::decode(std::string_view bytes) {
    PayloadReader reader(bytes);
    Challenge answer;
    answer.challenge = reader.text();
    answer.proof = reader.text();
    if (answer.challenge.size() != challenge_size || !reader.empty())
        throw ProtocolError("what came is no challenge of this protocol");
    return answer;
}

RankHandshake::RankHandshake(std::string secret, std::string meeting, int rank, int world_size)
    : secret_(std::move(secret)),
      hello_{std::move(meeting), rank, world_size, random_bytes(challenge_size)} {}

RankHandshake::Answer RankHandshake::answer(std::string_view challenge) const {
    const Challenge hub = Challenge::decode(challenge);
    const std::string said = transcript(hello_, hub.challenge);
    if (!equal_in_secret(hub.proof, hub_proof(secret_, said)))
        throw ProtocolError("who answers there does not know the secret of this job");
    return {rank_proof(secret_, said), {to_hub(secret_, said), to_rank(secret_, said)}};
}

HubHandshake::HubHandshake(std::string secret, std::string_view hello)
    : secret_(std::move(secret)),
      hello_(Hello::decode(hello)),
      challenge_(random_bytes(challenge_size)) {}

std::string HubHandshake::challenge() const {
    return Challenge{challenge_, hub_proof(secret_, transcript(hello_, challenge_))}.encode();
}

FrameKeys HubHandshake::verify(std::string_view proof) const {
    const std::string said = transcript(hello_, challenge_);
    if (!equal_in_secret(proof, rank_proof(secret_, said)))
        throw ProtocolError("who came does not know the secret of this job");
    return {to_rank(secret_, said), to_hub(secret_, said)};
}

}  // namespace ailab::dist
