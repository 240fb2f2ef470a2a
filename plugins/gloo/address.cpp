#include "address.hpp"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

namespace ailab::gloo {
namespace {

/// The source address of a packet to `host`, as text; "" when there is no way there. Connecting a
/// datagram socket chooses the route and sends nothing.
std::string source_address_to(const std::string& host) {
    addrinfo hints = {};
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* found = nullptr;
    if (getaddrinfo(host.c_str(), "9", &hints, &found) != 0) return "";
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
    for (const addrinfo* at = found; at; at = at->ai_next) {
        const int file = socket(at->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (file < 0) continue;
        sockaddr_storage own = {};
        socklen_t length = sizeof own;
        auto* address = reinterpret_cast<sockaddr*>(&own);
        const bool routed = connect(file, at->ai_addr, at->ai_addrlen) == 0 &&
                            getsockname(file, address, &length) == 0;
        close(file);
        char text[NI_MAXHOST];
        if (routed &&
            getnameinfo(address, length, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0)
            return text;
    }
    return "";
}

}  // namespace

std::string own_address(c10d::Store& store, int rank) {
    const std::string key = "ailab/address/" + std::to_string(rank);
    if (store.check({key})) return store.get_to_str(key);
    // An address that belongs to nobody (RFC 5737): the default route.
    return source_address_to("192.0.2.1");
}

}  // namespace ailab::gloo
