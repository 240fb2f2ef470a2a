// What comes from other processes: plugin files (ELF and the stamp in it), the ranks' control
// channel.
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ailab/abi.hpp"
#include "core/plugin/elf_builder.hpp"
#include "distributed/address_file.hpp"
#include "distributed/handshake.hpp"
#include "distributed/hub.hpp"
#include "distributed/last_words.hpp"
#include "distributed/member.hpp"
#include "distributed/spoke.hpp"
#include "distributed/store_table.hpp"
#include "plugin/elf_image.hpp"
#include "plugin/stamp_check.hpp"
#include "target.hpp"

namespace ailab::fuzz {
namespace {

// ---- plugin files

void elf(const std::string& input) {
    const std::string path = as_file(input);
    const plugin::ElfImage image = plugin::read_elf_image(path);
    require(!image.build_id.empty(), "a plugin has no build id");
    const plugin::Stamp stamp = plugin::read_stamp(path, image.stamp);
    plugin::stamp_warning(path, stamp, plugin::host_stamp());
    plugin::check_stamp(path, stamp, plugin::host_stamp());
}

std::vector<std::string> elf_seeds() {
    const plugin::Stamp stamp = plugin::make_stamp();
    ElfBuilder elf;
    elf.sections = {
        {".note.gnu.build-id", SHT_NOTE,
         ElfBuilder::note(NT_GNU_ABI_TAG, "GNU", std::string(16, '\1')) +
             ElfBuilder::note(NT_GNU_BUILD_ID, "GNU", "\x01\xab\xcd\xef")},
        {"ailab_abi", SHT_PROGBITS, {reinterpret_cast<const char*>(&stamp), sizeof stamp}},
        {".bss", SHT_NOBITS, ""}};
    ElfBuilder stripped = elf;
    stripped.stripped = true;
    ElfBuilder nameless = elf;
    nameless.sections.erase(nameless.sections.begin());
    return {elf.build(), stripped.build(), nameless.build()};
}

// ---- the control channel

/// Both ends of a connection within this process.
struct Pair {
    Pair() { require(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair failed"); }
    int ends[2];
};

/// As rank 0 and the others take frames: whatever comes is taken in, then what is complete is read.
void read_frames(const std::string& input) {
    Pair pair;
    dist::Connection reader{FileDescriptor(pair.ends[0])};
    const FileDescriptor writer(pair.ends[1]);
    for (size_t done = 0; done < input.size();) {
        const ssize_t n =
            ::send(writer.get(), input.data() + done, input.size() - done, MSG_DONTWAIT);
        if (n > 0) done += size_t(n);
        require(reader.receive() || done == input.size(), "the connection has ended");
        if (n <= 0) break;
    }
    while (const std::optional<dist::Frame> frame = reader.next()) {
        try {
            switch (frame->type) {
                case dist::FrameType::hello:
                    dist::Hello::decode(frame->payload).encode();
                    break;
                case dist::FrameType::challenge:
                    dist::Challenge::decode(frame->payload).encode();
                    break;
                case dist::FrameType::join: {
                    dist::PayloadReader info(frame->payload);
                    dist::decode_info(info);
                    break;
                }
                case dist::FrameType::store_request:
                    dist::NumberedRequest::decode(frame->payload).request.encode();
                    break;
                case dist::FrameType::store_reply:
                    dist::StoreReply::decode(frame->payload).encode();
                    break;
                case dist::FrameType::welcome: {
                    dist::PayloadReader members(frame->payload);
                    for (int rank = 0; rank < 3; ++rank) dist::decode_info(members);
                    break;
                }
                case dist::FrameType::end:
                    dist::PayloadReader(frame->payload).number();
                    break;
                case dist::FrameType::warning:
                case dist::FrameType::proof:
                case dist::FrameType::refused:
                    break;
                default:
                    dist::failure_line(dist::Report::decode(frame->payload));
            }
        } catch (const dist::ProtocolError&) {
        }
    }
}

void read_address_of(const std::string& input) {
    const std::string path = in_folder("address", input) + "/address";
    require(::chmod(path.c_str(), 0600) == 0, "chmod failed");  // another's is not looked at
    dist::read_address({.paths = {path}, .key = "key", .source = "init_method"});
}

/// The first byte says what the rest is: frames, rank 0's address, a file with that.
void rendezvous(const std::string& input) {
    if (input.empty()) return;
    const std::string rest = input.substr(1);
    try {
        switch (input[0] % 3) {
            case 0:
                return read_frames(rest);
            case 1:
                dist::Meeting::decode(rest).encode();
                return;
            default:
                read_address_of(rest);
        }
    } catch (const dist::ProtocolError&) {
    }
}

std::vector<std::string> rendezvous_seeds() {
    const auto frame = [](dist::FrameType type, const std::string& payload) {
        const auto size = uint32_t(payload.size());
        return std::string(reinterpret_cast<const char*>(&size), sizeof size) + char(type) +
               payload;
    };
    dist::PayloadWriter join, welcome;
    const dist::Member info{.host = "node07",
                            .host_id = "id",
                            .addresses = {"10.0.0.7"},
                            .port = 9,
                            .address = "10.0.0.7"};
    encode_info(join, info);
    for (int rank = 0; rank < 3; ++rank) encode_info(welcome, info);
    const std::string random(32, 'r');
    const dist::Hello hello{.meeting = "77", .rank = 1, .world_size = 2, .challenge = random};
    const dist::Challenge challenge{.challenge = random, .proof = random};
    const dist::StoreRequest set{
        .call = dist::StoreRequest::set, .keys = {"key"}, .values = {"value"}};
    const dist::StoreReply reply{.values = {"value"}};
    const dist::Report report{.rank = 1, .host = "node07", .text = "out of memory"};
    dist::Meeting meeting;
    meeting.nonce = "77";
    meeting.host_id = "id";
    meeting.addresses = {"10.0.0.7", "127.0.0.1"};
    const std::string address = dist::PayloadWriter()
                                    .text("ailab rendezvous 2")
                                    .text("key")
                                    .text(meeting.encode())
                                    .text(random)
                                    .bytes();
    return {'\0' + frame(dist::FrameType::hello, hello.encode()) +
                frame(dist::FrameType::challenge, challenge.encode()) +
                frame(dist::FrameType::join, join.bytes()) +
                frame(dist::FrameType::welcome, welcome.bytes()) +
                frame(dist::FrameType::store_request,
                      dist::PayloadWriter().number(1).bytes() + set.encode()) +
                frame(dist::FrameType::store_reply, reply.encode()) +
                frame(dist::FrameType::failure, report.encode()) +
                frame(dist::FrameType::end, dist::PayloadWriter().number(1).bytes()),
            '\1' + meeting.encode(), '\2' + address};
}

const Registration elf_target({.name = "elf", .run = elf, .seeds = elf_seeds});
const Registration rendezvous_target({.name = "rendezvous",
                                      .run = rendezvous,
                                      .seeds = rendezvous_seeds});

}  // namespace
}  // namespace ailab::fuzz
