// gloo asks nobody who connects to it, so its module does.
#include "gloo/sockets.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

namespace ailab::testing {
namespace {

sockaddr_in loopback(uint16_t port) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = port;  // in the network's order
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/// A port of this process, as gloo's device opens one.
struct Port {
    Port() : socket(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address = loopback(0);
        auto* const any = reinterpret_cast<sockaddr*>(&address);
        socklen_t size = sizeof address;
        if (bind(socket, any, size) != 0 || listen(socket, 8) != 0 ||
            getsockname(socket, any, &size) != 0)
            throw std::runtime_error("cannot listen");
        number = address.sin_port;
    }
    ~Port() { close(socket); }
    int take() const { return accept(socket, nullptr, nullptr); }

    int socket;
    uint16_t number = 0;
};

/// Another process that connects to a port and stays.
class Stranger {
  public:
    explicit Stranger(uint16_t port) {
        int ends[2];
        if (pipe(ends) != 0) throw std::runtime_error("cannot make a pipe");
        pid_ = fork();
        if (pid_ == 0) {
            const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
            const sockaddr_in address = loopback(port);
            const bool in =
                connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
            const char word = in ? 'y' : 'n';
            (void)!write(ends[1], &word, 1);
            pause();
        }
        close(ends[1]);
        answer_ = ends[0];
    }
    ~Stranger() {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        close(answer_);
    }
    bool is_in(int milliseconds) const {
        pollfd wait{answer_, POLLIN, 0};
        char word = 'n';
        return poll(&wait, 1, milliseconds) > 0 && read(answer_, &word, 1) == 1 && word == 'y';
    }

  private:
    pid_t pid_ = -1;
    int answer_ = -1;
};

TEST(GlooSockets, OfRanksAloneAreAllowed) {
    const gloo::NewSockets sockets;
    const Port port;
    c10d::HashStore store;
    EXPECT_TRUE(sockets.are_all_of_ranks(store, 0, 1));
    // Of this process itself: what came was told to have gone.
    const int went = ::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = loopback(port.number);
    ASSERT_EQ(connect(went, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const int came = port.take();
    c10d::HashStore again;
    EXPECT_TRUE(sockets.are_all_of_ranks(again, 0, 1));
    close(went);
    close(came);
}

TEST(GlooSockets, AStrangersIsFound) {
    const gloo::NewSockets sockets;
    const Port port;
    const Stranger stranger(port.number);
    ASSERT_TRUE(stranger.is_in(5000));
    const int came = port.take();
    c10d::HashStore store;
    EXPECT_FALSE(sockets.are_all_of_ranks(store, 0, 1));
    close(came);
}

TEST(GlooSockets, AreClosedToStrangersAndStayOpenToRanks) {
    const gloo::NewSockets sockets;
    const Port port;
    const Stranger rank(port.number);
    ASSERT_TRUE(rank.is_in(5000));
    const int came = port.take();
    sockets.refuse_more();
    const Stranger late(port.number);
    EXPECT_FALSE(late.is_in(300));
    const char word = 'x';
    EXPECT_EQ(send(came, &word, 1, MSG_NOSIGNAL), 1);
    close(came);
}

}  // namespace
}  // namespace ailab::testing
