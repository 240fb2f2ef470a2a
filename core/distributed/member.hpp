#pragma once
#include "frames.hpp"

namespace ailab::dist {

/// What the ranks tell each other about themselves when they join.
struct Member {
    std::string host;
    std::string host_id;
    /// Where this rank can be reached when rank 0 is gone.
    std::vector<std::string> addresses;
    uint16_t port = 0;
    /// The address of its host on the network over which the ranks met; a loopback on one host.
    std::string address;
};

inline void encode_info(PayloadWriter& writer, const Member& member) {
    writer.text(member.host).text(member.host_id).texts(member.addresses);
    writer.number(member.port).text(member.address);
}

inline Member decode_info(PayloadReader& reader) {
    Member member;
    member.host = reader.text();
    member.host_id = reader.text();
    member.addresses = reader.texts();
    member.port = uint16_t(reader.number());
    member.address = reader.text();
    return member;
}

/// One attempt to reach a process of this job: on the own host by the loopback, which always works.
inline FileDescriptor reach(const std::string& its_host_id,
                            const std::vector<std::string>& addresses, uint16_t port,
                            Clock::time_point deadline, std::string& why) {
    if (its_host_id == host_id()) return connect_to(loopback, port, deadline, why);
    for (const std::string& address : addresses) {
        const auto soon = std::min(deadline, Clock::now() + std::chrono::seconds(2));
        if (FileDescriptor fd = connect_to(address, port, soon, why)) return fd;
    }
    return FileDescriptor();
}

}  // namespace ailab::dist
