// Frames of the control channel, however they arrive.
#include "distributed/frames.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

namespace ailab::dist {
namespace {

struct Ends {
    Ends() {
        int fds[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) throw std::runtime_error("socketpair");
        reader = Connection(FileDescriptor(fds[0]));
        writer = FileDescriptor(fds[1]);
    }
    /// Everything goes in before any of it is looked at.
    void write(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t n = ::send(writer.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
            if (n > 0) bytes.remove_prefix(size_t(n));
            ASSERT_TRUE(reader.receive());
        }
    }
    Connection reader;
    FileDescriptor writer;
};

std::string frame(FrameType type, const std::string& payload) {
    const auto size = uint32_t(payload.size());
    return std::string(reinterpret_cast<const char*>(&size), sizeof size) + char(type) + payload;
}

TEST(Frames, ArriveInPieces) {
    Ends ends;
    const std::string bytes = frame(FrameType::warning, "one") + frame(FrameType::end, "two");
    std::vector<std::string> got;
    for (const char byte : bytes) {
        ends.write({&byte, 1});
        while (const auto next = ends.reader.next()) got.push_back(next->payload);
    }
    EXPECT_EQ(got, (std::vector<std::string>{"one", "two"}));
}

/// Each took what was left of the four megabytes to move, which was minutes for all.
TEST(Frames, ManySmallOnesAreTakenInOnePass) {
    Ends ends;
    constexpr int64_t many = 800'000;
    std::string bytes;
    for (int64_t i = 0; i < many; ++i) bytes += frame(FrameType::heartbeat, "");
    ends.write(bytes);
    int64_t count = 0;
    while (count < many) {
        while (ends.reader.next()) ++count;
        ASSERT_TRUE(ends.reader.receive());
    }
    EXPECT_EQ(count, many);
    ends.write(frame(FrameType::warning, "after"));
    EXPECT_EQ(ends.reader.next()->payload, "after");
}

TEST(Frames, LargerThanAnyAreRefused) {
    Ends ends;
    ends.write("\xff\xff\xff\x7f\1");
    EXPECT_THROW(ends.reader.next(), ProtocolError);
}

}  // namespace
}  // namespace ailab::dist
