#include "net.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>

#include "ailab/error.hpp"

namespace ailab::dist {
namespace {

/// After this long without an answer from the other machine's kernel the connection counts as lost.
constexpr int lost_after_ms = 30'000;

void set_option(int fd, int level, int option, int value) {
    // Each of these only improves the connection; it works without.
    (void)::setsockopt(fd, level, option, &value, sizeof value);
}

void tune(int fd) {
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 5);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, lost_after_ms);
}

uint16_t bound_port(int fd) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0)
        throw Error(concat("getsockname failed: ", std::strerror(errno)));
    if (address.ss_family == AF_INET6)
        return ntohs(reinterpret_cast<sockaddr_in6&>(address).sin6_port);
    return ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port);
}

FileDescriptor try_listen(const addrinfo& address, uint16_t port) {
    FileDescriptor fd(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fd;
    set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    sockaddr_storage place{};
    std::memcpy(&place, address.ai_addr, address.ai_addrlen);
    if (address.ai_family == AF_INET6)
        reinterpret_cast<sockaddr_in6&>(place).sin6_port = htons(port);
    else
        reinterpret_cast<sockaddr_in&>(place).sin_port = htons(port);
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&place), address.ai_addrlen) != 0 ||
        ::listen(fd.get(), SOMAXCONN) != 0) {
        const int error = errno;
        fd.reset();
        errno = error;
    }
    return fd;
}

std::string numeric(const sockaddr* address, socklen_t length) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(address, length, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0)
        return "";
    return text.data();
}

using AddressList = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

/// Null, and the reason in `why`, when no address is known for the host.
AddressList look_up(const std::string& host, uint16_t port, std::string& why) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* raw = nullptr;
    const int failed = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &raw);
    if (failed != 0) why = concat("host \"", host, "\" is not known: ", ::gai_strerror(failed));
    return {failed == 0 ? raw : nullptr, ::freeaddrinfo};
}

bool is_own_other_end(int fd) {
    sockaddr_storage here{}, there{};
    socklen_t here_size = sizeof here, there_size = sizeof there;
    return ::getsockname(fd, reinterpret_cast<sockaddr*>(&here), &here_size) == 0 &&
           ::getpeername(fd, reinterpret_cast<sockaddr*>(&there), &there_size) == 0 &&
           here_size == there_size && std::memcmp(&here, &there, here_size) == 0;
}

FileDescriptor try_connect(const addrinfo& address, Clock::time_point deadline, std::string& why) {
    FileDescriptor fd(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    int error = 0;
    if (!fd ||
        (::connect(fd.get(), address.ai_addr, address.ai_addrlen) != 0 && errno != EINPROGRESS)) {
        error = errno;
    } else {
        pollfd wait{fd.get(), POLLOUT, 0};
        const int ready = ::poll(&wait, 1, milliseconds_until(deadline));
        socklen_t length = sizeof error;
        if (ready == 0)
            error = ETIMEDOUT;
        else if (ready < 0 || ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0)
            error = errno;
    }
    // A port of the kernel's own choice may be the very one that nobody listens at yet.
    if (error == 0 && is_own_other_end(fd.get())) error = ECONNREFUSED;
    if (error != 0) {
        why = std::strerror(error);
        return FileDescriptor();
    }
    tune(fd.get());
    return fd;
}

std::string first_line(const char* path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

std::string identity(const char* path) {
    struct stat status {};
    if (::stat(path, &status) != 0) return "-";
    return concat(uint64_t(status.st_dev), ".", uint64_t(status.st_ino));
}

}  // namespace

int milliseconds_until(Clock::time_point deadline) {
    using std::chrono::milliseconds;
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
    return int(std::clamp<int64_t>(left.count(), 0, 1'000'000'000));
}

Listener listen_on(const std::vector<std::string>& addresses, uint16_t port) {
    errno = EADDRNOTAVAIL;
    // A port that is free on one address may be taken on the next.
    for (int attempts_left = port == 0 ? 20 : 1; attempts_left > 0; --attempts_left) {
        Listener listener{{}, port};
        for (const std::string& address : addresses) {
            std::string why;
            const AddressList found = look_up(address, 0, why);
            if (!found) continue;
            FileDescriptor fd = try_listen(*found, listener.port);
            // An address that is no longer this host's, say.
            if (!fd && errno != EADDRINUSE) continue;
            if (!fd) {
                listener.sockets.clear();
                break;
            }
            listener.port = bound_port(fd.get());
            listener.sockets.push_back(std::move(fd));
        }
        if (!listener.sockets.empty()) return listener;
    }
    throw Error(concat("cannot listen on port ", port, ": ", std::strerror(errno)));
}

std::vector<std::string> listening_addresses(const std::string& host) {
    const std::vector<std::string> own = own_addresses();
    std::vector<std::string> found, loopbacks;
    std::string why;
    const AddressList addresses = look_up(host, 0, why);
    for (const addrinfo* each = addresses.get(); each; each = each->ai_next) {
        const std::string address = numeric(each->ai_addr, each->ai_addrlen);
        if (is_loopback(address)) loopbacks.push_back(address);
        if (std::find(own.begin(), own.end(), address) != own.end()) found.push_back(address);
    }
    // A loopback that is written as a number is meant.
    if (found.empty() && (loopbacks.empty() || loopbacks[0] != host)) found = own;
    found.insert(found.end(), loopbacks.begin(), loopbacks.end());
    return found;
}

FileDescriptor connect_to(const std::string& host, uint16_t port, Clock::time_point deadline,
                          std::string& why) {
    const AddressList addresses = look_up(host, port, why);
    for (const addrinfo* each = addresses.get(); each; each = each->ai_next)
        if (FileDescriptor fd = try_connect(*each, deadline, why)) return fd;
    return FileDescriptor();
}

std::string why_unknown(const std::string& host) {
    std::string why;
    look_up(host, 0, why);
    return why;
}

std::string host_name() {
    std::array<char, 256> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0) return "?";
    const std::string full = name.data();
    return full.substr(0, full.find('.'));
}

std::string host_id() {
    static const std::string id = [] {
        return concat(host_name(), " ", first_line("/proc/sys/kernel/random/boot_id"), " ",
                      identity("/proc/self/ns/net"), " ", identity("/dev/shm"));
    }();
    return id;
}

bool is_loopback(const std::string& address) {
    return address.starts_with("127.") || address == "::1";
}

std::vector<std::string> own_addresses() {
    std::vector<std::string> found;
    ifaddrs* raw = nullptr;
    if (::getifaddrs(&raw) != 0) return found;
    const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> interfaces(raw, ::freeifaddrs);
    for (const int family : {AF_INET, AF_INET6}) {
        for (const ifaddrs* each = raw; each; each = each->ifa_next) {
            if (!each->ifa_addr || each->ifa_addr->sa_family != family ||
                (each->ifa_flags & IFF_LOOPBACK) || !(each->ifa_flags & IFF_UP))
                continue;
            const socklen_t length = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
            const std::string address = numeric(each->ifa_addr, length);
            // "fe80::1%eth0" means something on this host alone.
            if (!address.empty() && address.find('%') == std::string::npos)
                found.push_back(address);
        }
    }
    return found;
}

std::string local_address(int fd) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (::getsockname(fd, any, &length) != 0) return "";
    return numeric(any, length);
}

}  // namespace ailab::dist
