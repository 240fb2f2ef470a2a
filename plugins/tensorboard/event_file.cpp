#include "event_file.hpp"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "ailab/error.hpp"
#include "ailab/log.hpp"
#include "ailab/support/crc32c.hpp"
#include "events.hpp"
#include "trackers/stored_text.hpp"

namespace ailab::tensorboard {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view prefix = "events.out.tfevents.";

/// The greatest time in the names of the folder's event files; 0 when there are none.
int64_t newest_time(const std::string& folder) {
    int64_t newest = 0;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(folder, none)) {
        const std::string name = entry.path().filename();
        if (!name.starts_with(prefix)) continue;
        int64_t time = 0;
        std::from_chars(name.data() + prefix.size(), name.data() + name.size(), time);
        newest = std::max({newest, time, int64_t(1)});
    }
    return newest;
}

/// As record files keep it: a checksum over data that holds checksums is weak, so the stored ones
/// are rotated and moved by a constant.
uint32_t masked_crc32c(std::string_view data) {
    return std::rotr(crc32c(data.data(), data.size()), 15) + 0xA282EAD8u;
}

uint64_t little_endian(std::string_view bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.size(); ++i) value |= uint64_t(uint8_t(bytes[i])) << (8 * i);
    return value;
}

/// An Event of ours begins with its time, a double of field 1, and its step, a varint of field 2.
std::optional<int64_t> step_of(std::string_view event) {
    constexpr size_t time_size = 9;
    if (event.size() <= time_size || event[0] != 0x09 || event[time_size] != 0x10)
        return std::nullopt;
    uint64_t step = 0;
    int shift = 0;
    for (size_t i = time_size + 1; i < event.size() && shift < 64; ++i, shift += 7) {
        step |= uint64_t(uint8_t(event[i]) & 0x7F) << shift;
        if (uint8_t(event[i]) < 0x80) return int64_t(step);
    }
    return std::nullopt;
}

std::string host_name() {
    char name[256] = {};
    gethostname(name, sizeof name - 1);
    return name;
}

}  // namespace

std::string record(std::string_view data) {
    std::string bytes;
    bytes.reserve(data.size() + 16);
    wire::append_u64(bytes, data.size());
    wire::append_u32(bytes, masked_crc32c(bytes));
    bytes += data;
    wire::append_u32(bytes, masked_crc32c(data));
    return bytes;
}

void EventFile::open(const std::string& folder) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) throw Error(concat("cannot create the folder ", folder, ": ", error.message()));
    // A clock that was set back, or a run that goes on within the second, must not put the new file
    // before the old ones.
    const int64_t newest = newest_time(folder);
    const int64_t time = std::max(int64_t(wall_time()), newest + 1);
    continues_ = newest > 0;
    char digits[24];
    std::snprintf(digits, sizeof digits, "%010lld", static_cast<long long>(time));
    file_ = AppendFile(
        concat(folder, "/", prefix, digits, ".", host_name(), ".", int64_t(getpid()), ".0"),
        AppendFile::As::made);
    write(wire::Message().add(1, wall_time()).add(3, "brain.Event:2"));
}

void EventFile::write(const std::string& event) {
    if (!file_.is_open()) return;
    const std::string reason = file_.append(record(event));
    if (!reason.empty() && !std::exchange(warned_, true))
        log_warning("cannot write ", path(), ": ", reason,
                    ". The training goes on; TensorBoard will miss what does not fit");
}

std::vector<std::string> events_at(const std::string& path, int64_t size, int64_t step) {
    constexpr size_t head_size = 12, tail_size = 4;  // length and checksums
    const std::string bytes = stored_text(path);
    std::string_view rest = std::string_view(bytes).substr(0, size_t(std::max<int64_t>(0, size)));
    std::vector<std::string> found;
    while (rest.size() >= head_size + tail_size) {
        const uint64_t length = little_endian(rest.substr(0, 8));
        if (length > rest.size() - head_size - tail_size) break;
        const std::string event(rest.substr(head_size, length));
        const uint64_t checksum = little_endian(rest.substr(head_size + length, tail_size));
        if (checksum != masked_crc32c(event)) break;
        if (step_of(event) == step) found.push_back(event);
        rest.remove_prefix(head_size + length + tail_size);
    }
    return found;
}

}  // namespace ailab::tensorboard
