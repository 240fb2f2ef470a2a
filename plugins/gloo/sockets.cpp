#include "sockets.hpp"

#include <dirent.h>
#include <linux/filter.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <sstream>

#include "ailab/log.hpp"

namespace ailab::gloo {
namespace {

int option(int socket, int name) {
    int value = 0;
    socklen_t size = sizeof value;
    return getsockopt(socket, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

bool listens(int socket) {
    return option(socket, SO_ACCEPTCONN) == 1;
}

/// "127.0.0.1 40312": of its own end, or of the other; "" when there is none.
template <class GetName>
std::string name_of(int socket, GetName get_name) {
    sockaddr_storage address = {};
    socklen_t length = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (get_name(socket, any, &length) != 0) return "";
    char host[NI_MAXHOST], port[NI_MAXSERV];
    if (getnameinfo(any, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return "";
    return std::string(host) + " " + port;
}

std::string own_end(int socket) {
    return name_of(socket, getsockname);
}
std::string other_end(int socket) {
    return name_of(socket, getpeername);
}

std::set<std::string> lines_of(const std::string& text) {
    std::set<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.insert(line);
    return lines;
}

}  // namespace

std::set<int> NewSockets::open_sockets() {
    std::set<int> found;
    const auto close = [](DIR* open) { closedir(open); };
    const std::unique_ptr<DIR, decltype(close)> folder(opendir("/proc/self/fd"), close);
    if (!folder) return found;
    while (const dirent* entry = readdir(folder.get())) {
        const int file = std::atoi(entry->d_name);
        const int family = entry->d_name[0] == '.' ? -1 : option(file, SO_DOMAIN);
        if ((family == AF_INET || family == AF_INET6) && option(file, SO_TYPE) == SOCK_STREAM)
            found.insert(file);
    }
    return found;
}

std::vector<int> NewSockets::opened() const {
    std::vector<int> fresh;
    const std::set<int> now = open_sockets();
    std::set_difference(now.begin(), now.end(), before_.begin(), before_.end(),
                        std::back_inserter(fresh));
    return fresh;
}

bool NewSockets::are_all_of_ranks(c10d::Store& store, int rank, int size) const {
    const std::vector<int> sockets = opened();
    std::set<std::string> ports;
    for (const int socket : sockets)
        if (listens(socket)) ports.insert(own_end(socket));
    // Those at this rank's own port came; the others went to a port that another rank told.
    std::string went;
    std::vector<std::string> came;
    for (const int socket : sockets) {
        if (listens(socket) || other_end(socket).empty()) continue;
        if (ports.contains(own_end(socket)))
            came.push_back(other_end(socket));
        else
            went += own_end(socket) + "\n";
    }
    const auto key = [](const char* what, int each) {
        return std::string("sockets/") + what + "/" + std::to_string(each);
    };
    store.set(key("went", rank), went);
    std::set<std::string> known;
    for (int each = 0; each < size; ++each)
        known.merge(lines_of(store.get_to_str(key("went", each))));
    const bool right = std::all_of(came.begin(), came.end(),
                                   [&](const std::string& who) { return known.contains(who); });
    store.set(key("right", rank), right ? std::string("yes") : std::string("no"));
    bool all = true;
    for (int each = 0; each < size; ++each) all &= store.get_to_str(key("right", each)) == "yes";
    return all;
}

void NewSockets::refuse_more() const {
    sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    const sock_fprog program{1, &drop};
    for (const int socket : opened())
        if (listens(socket) &&
            setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
            log_warning("gloo: cannot close the port ", own_end(socket), " to other programs");
}

}  // namespace ailab::gloo
