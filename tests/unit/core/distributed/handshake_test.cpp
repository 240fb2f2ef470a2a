// Who is let in, and what a connection between two processes of a job believes.
#include "distributed/handshake.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <functional>

namespace ailab::test {
namespace {

using namespace dist;  // NOLINT: the tests of its internals

const std::string secret = "what the ranks of this job know";
const std::string meeting = "the meeting of this job";

// ---- the handshake

/// What each end said, of one handshake between honest ends.
struct Said {
    std::string hello, challenge, proof;
};

Said overheard() {
    const RankHandshake rank(secret, meeting, 1, 2);
    const HubHandshake hub(secret, rank.hello());
    return {rank.hello(), hub.challenge(), rank.answer(hub.challenge()).proof};
}

std::string with_last_bit_turned(std::string text) {
    text.back() = char(text.back() ^ 1);
    return text;
}

TEST(Handshake, EndsThatShareTheSecretAgreeOnKeysOfTheirOwn) {
    const RankHandshake rank(secret, meeting, 1, 2);
    const HubHandshake hub(secret, rank.hello());
    EXPECT_EQ(hub.hello().rank, 1);
    EXPECT_EQ(hub.hello().world_size, 2);
    EXPECT_EQ(hub.hello().meeting, meeting);
    const RankHandshake::Answer answer = rank.answer(hub.challenge());
    const FrameKeys keys = hub.verify(answer.proof);
    EXPECT_EQ(keys.send, answer.keys.receive);
    EXPECT_EQ(keys.receive, answer.keys.send);
    EXPECT_NE(keys.send, keys.receive);
}

TEST(Handshake, NothingIsSaidTwice) {
    const Said one = overheard(), other = overheard();
    EXPECT_NE(one.hello, other.hello);
    EXPECT_NE(one.challenge, other.challenge);
    EXPECT_NE(one.proof, other.proof);
}

TEST(Handshake, TheSecretIsNotSaid) {
    const Said said = overheard();
    for (const std::string& text : {said.hello, said.challenge, said.proof})
        EXPECT_EQ(text.find(secret), std::string::npos);
}

/// A peer that is no rank of the job, as the hub meets it.
struct Intruder {
    std::string name;
    /// Its answer to the hub's challenge, after the hello of `rank`.
    std::function<std::string(const RankHandshake& rank, const std::string& challenge)> proof;
};

class RefusedByTheHub : public testing::TestWithParam<Intruder> {};
TEST_P(RefusedByTheHub, DoesNotKnowTheSecret) {
    const RankHandshake rank(secret, meeting, 1, 2);
    const HubHandshake hub(secret, rank.hello());
    EXPECT_THROW(hub.verify(GetParam().proof(rank, hub.challenge())), ProtocolError);
}

std::string proof_of(const RankHandshake& rank, const std::string& challenge) {
    return rank.answer(challenge).proof;
}

INSTANTIATE_TEST_SUITE_P(
    Table, RefusedByTheHub,
    testing::Values(
        Intruder{"nothing", [](auto&, auto&) { return std::string(); }},
        Intruder{"garbage", [](auto&, auto&) { return std::string(32, 'x'); }},
        Intruder{"a_bit_changed",
                 [](auto& rank, auto& challenge) {
                     return with_last_bit_turned(proof_of(rank, challenge));
                 }},
        Intruder{"cut",
                 [](auto& rank, auto& challenge) { return proof_of(rank, challenge).substr(1); }},
        Intruder{"longer",
                 [](auto& rank, auto& challenge) { return proof_of(rank, challenge) + "x"; }},
        Intruder{"heard_before", [](auto&, auto&) { return overheard().proof; }},
        Intruder{"the_hubs_own_proof_sent_back",
                 [](auto&, auto& challenge) { return Challenge::decode(challenge).proof; }},
        Intruder{"said_to_another_hub",
                 [](auto&, auto&) {
                     const RankHandshake other(secret, meeting, 2, 3);
                     return proof_of(other, HubHandshake(secret, other.hello()).challenge());
                 }}),
    [](const auto& row) { return row.param.name; });

TEST(Handshake, AnotherSecretIsFoundByBothEnds) {
    const RankHandshake rank("another secret", meeting, 1, 2);
    const HubHandshake hub(secret, rank.hello());
    EXPECT_THROW(rank.answer(hub.challenge()), ProtocolError);
    // As if the rank did not look.
    const HubHandshake other_hub("another secret", rank.hello());
    EXPECT_THROW(hub.verify(rank.answer(other_hub.challenge()).proof), ProtocolError);
}

/// What answers a rank in place of its hub.
struct Impostor {
    std::string name;
    std::function<std::string(const std::string& hello)> challenge;
};

class RefusedByTheRank : public testing::TestWithParam<Impostor> {};
TEST_P(RefusedByTheRank, DoesNotKnowTheSecret) {
    const RankHandshake rank(secret, meeting, 1, 2);
    EXPECT_THROW(rank.answer(GetParam().challenge(rank.hello())), ProtocolError);
}

std::string changed_hello(const std::string& hello, int rank, int world_size,
                          const std::string& changed_meeting) {
    Hello changed = Hello::decode(hello);
    changed.rank = rank;
    changed.world_size = world_size;
    changed.meeting = changed_meeting;
    return HubHandshake(secret, changed.encode()).challenge();
}

INSTANTIATE_TEST_SUITE_P(
    Table, RefusedByTheRank,
    testing::Values(
        Impostor{"nothing", [](auto&) { return std::string(); }},
        Impostor{"garbage", [](auto&) { return std::string(80, 'x'); }},
        Impostor{"a_web_server",
                 [](auto&) { return std::string("HTTP/1.1 400 Bad Request\r\n\r\n"); }},
        Impostor{"the_hello_sent_back", [](auto& hello) { return hello; }},
        Impostor{"heard_before", [](auto&) { return overheard().challenge; }},
        Impostor{"cut",
                 [](auto& hello) {
                     const std::string said = HubHandshake(secret, hello).challenge();
                     return said.substr(0, said.size() - 1);
                 }},
        Impostor{"a_bit_changed",
                 [](auto& hello) {
                     return with_last_bit_turned(HubHandshake(secret, hello).challenge());
                 }},
        Impostor{"more_behind",
                 [](auto& hello) { return HubHandshake(secret, hello).challenge() + "x"; }},
        // The honest hub, behind somebody who changes what the rank said.
        Impostor{"another_rank", [](auto& hello) { return changed_hello(hello, 0, 2, meeting); }},
        Impostor{"another_world", [](auto& hello) { return changed_hello(hello, 1, 3, meeting); }},
        Impostor{"another_meeting", [](auto& hello) { return changed_hello(hello, 1, 2, ""); }}),
    [](const auto& row) { return row.param.name; });

TEST(Handshake, WhatIsNoHelloIsRefused) {
    const std::string hello = RankHandshake(secret, meeting, 1, 2).hello();
    for (size_t size = 0; size < hello.size(); ++size)
        EXPECT_THROW(HubHandshake(secret, hello.substr(0, size)), ProtocolError) << size;
    EXPECT_THROW(HubHandshake(secret, hello + "x"), ProtocolError);
    EXPECT_THROW(HubHandshake(secret, "GET / HTTP/1.1\r\n\r\n"), ProtocolError);
    EXPECT_THROW(HubHandshake(secret, std::string(1000, '\xff')), ProtocolError);
}

// ---- frames

/// Two ends, and between them somebody who holds the wire.
struct Wire {
    Connection sender, receiver;
    FileDescriptor from_sender, to_receiver;

    explicit Wire(FrameKeys sender_keys, FrameKeys receiver_keys) {
        std::array<int, 2> one{}, other{};
        if (::socketpair(AF_UNIX, SOCK_STREAM, 0, one.data()) != 0 ||
            ::socketpair(AF_UNIX, SOCK_STREAM, 0, other.data()) != 0)
            throw std::runtime_error("socketpair failed");
        sender = Connection(FileDescriptor(one[0]));
        from_sender = FileDescriptor(one[1]);
        receiver = Connection(FileDescriptor(other[0]));
        to_receiver = FileDescriptor(other[1]);
        sender.protect(std::move(sender_keys));
        receiver.protect(std::move(receiver_keys));
    }

    /// The bytes of one frame.
    std::string taken_off(FrameType type, const std::string& payload) {
        sender.send(type, payload);
        return taken_off();
    }
    std::string taken_off() const {
        std::array<char, 1000> buffer{};
        const ssize_t size = ::recv(from_sender.get(), buffer.data(), buffer.size(), 0);
        return {buffer.data(), size_t(size)};
    }
    /// What the receiver makes of these bytes: payloads, and at the end "refused" if it did.
    std::vector<std::string> received(const std::string& bytes) {
        (void)!::send(to_receiver.get(), bytes.data(), bytes.size(), 0);
        std::vector<std::string> payloads;
        try {
            receiver.receive();
            while (const auto frame = receiver.next()) payloads.push_back(frame->payload);
        } catch (const ProtocolError&) {
            payloads.emplace_back("refused");
        }
        return payloads;
    }
};

Wire honest_wire() {
    const RankHandshake rank(secret, meeting, 1, 2);
    const HubHandshake hub(secret, rank.hello());
    const RankHandshake::Answer answer = rank.answer(hub.challenge());
    return Wire(answer.keys, hub.verify(answer.proof));
}

using Payloads = std::vector<std::string>;

TEST(Frames, ArriveInTheirOrderHoweverTheyAreCut) {
    Wire wire = honest_wire();
    const std::string bytes = wire.taken_off(FrameType::heartbeat, "one") +
                              wire.taken_off(FrameType::failure, "") +
                              wire.taken_off(FrameType::warning, std::string(300, 'x'));
    Payloads all;
    for (const char byte : bytes)
        for (const std::string& payload : wire.received(std::string(1, byte)))
            all.push_back(payload);
    EXPECT_EQ(all, (Payloads{"one", "", std::string(300, 'x')}));
}

/// What somebody on the wire makes of two frames, "one" and "two".
struct Attack {
    std::string name;
    std::function<std::string(const std::string& one, const std::string& two)> wire;
    Payloads received;
};

class AttackedFrames : public testing::TestWithParam<Attack> {};
TEST_P(AttackedFrames, EndTheConnection) {
    Wire wire = honest_wire();
    const std::string one = wire.taken_off(FrameType::heartbeat, "one");
    const std::string two = wire.taken_off(FrameType::warning, "two");
    EXPECT_EQ(wire.received(GetParam().wire(one, two)), GetParam().received);
}

std::string changed_at(std::string bytes, size_t place) {
    bytes[place] = char(bytes[place] ^ 1);
    return bytes;
}

INSTANTIATE_TEST_SUITE_P(
    Table, AttackedFrames,
    testing::Values(
        Attack{"nothing_done", [](auto& one, auto& two) { return one + two; }, {"one", "two"}},
        Attack{"repeated", [](auto& one, auto&) { return one + one; }, {"one", "refused"}},
        Attack{"left_out", [](auto&, auto& two) { return two; }, {"refused"}},
        Attack{"exchanged", [](auto& one, auto& two) { return two + one; }, {"refused"}},
        Attack{"repeated_later",
               [](auto& one, auto& two) { return one + two + one; },
               {"one", "two", "refused"}},
        Attack{"cut_short_and_joined",
               [](auto& one, auto& two) { return one.substr(0, one.size() - 8) + two; },
               {"refused"}},
        Attack{"cut_short_and_waiting",
               [](auto& one, auto&) { return one.substr(0, one.size() - 1); },
               {}},
        Attack{"another_size",
               [](auto& one, auto& two) { return changed_at(one, 0) + two; },
               {"refused"}},
        Attack{"another_type", [](auto& one, auto&) { return changed_at(one, 4); }, {"refused"}},
        Attack{"another_text", [](auto& one, auto&) { return changed_at(one, 5); }, {"refused"}},
        Attack{"another_mac",
               [](auto& one, auto&) { return changed_at(one, one.size() - 1); },
               {"refused"}},
        Attack{"the_mac_of_another",
               [](auto& one, auto& two) {
                   return one.substr(0, one.size() - 16) + two.substr(two.size() - 16);
               },
               {"refused"}},
        Attack{"without_macs",
               [](auto& one, auto&) {
                   const std::string bare = one.substr(0, one.size() - 16);
                   return bare + bare + bare + bare;
               },
               {"refused"}},
        Attack{"endless", [](auto&, auto&) { return std::string(8, '\xff'); }, {"refused"}},
        Attack{"garbage_between",
               [](auto& one, auto& two) { return one + std::string(40, '\0') + two; },
               {"one", "refused"}}),
    [](const auto& row) { return row.param.name; });

TEST(Frames, ThatWereSentAreNotTakenBack) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    const FileDescriptor other(ends[1]);
    const RankHandshake rank(secret, meeting, 1, 2);
    const HubHandshake hub(secret, rank.hello());
    Connection sender{FileDescriptor(ends[0])};
    sender.protect(rank.answer(hub.challenge()).keys);
    sender.send(FrameType::heartbeat, "mine");
    std::array<char, 100> echo{};
    const ssize_t size = ::recv(other.get(), echo.data(), echo.size(), 0);
    ASSERT_GT(size, 0);
    ASSERT_EQ(::send(other.get(), echo.data(), size_t(size), 0), size);
    sender.receive();
    EXPECT_THROW(sender.next(), ProtocolError);
}

TEST(Frames, OfAnotherConnectionAreNotTaken) {
    Wire before = honest_wire(), now = honest_wire();
    EXPECT_EQ(now.received(before.taken_off(FrameType::heartbeat, "one")), Payloads{"refused"});
}

TEST(Frames, OfStrangersAreSmall) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    Connection connection{FileDescriptor(ends[0])};
    const FileDescriptor stranger(ends[1]);
    const uint32_t size = 100'000;
    std::string header(reinterpret_cast<const char*>(&size), sizeof size);
    header += '\1';
    ASSERT_EQ(::send(stranger.get(), header.data(), header.size(), 0), ssize_t(header.size()));
    EXPECT_TRUE(connection.receive());
    EXPECT_THROW(connection.next(), ProtocolError);
}

}  // namespace
}  // namespace ailab::test
