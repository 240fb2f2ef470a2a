#include "event_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>

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

EventFile::~EventFile() {
    close();
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
    path_ = concat(folder, "/", prefix, digits, ".", host_name(), ".", int64_t(getpid()), ".0");
    file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    if (file_ < 0) throw Error(concat("cannot write ", path_, ": ", std::strerror(errno)));
    write(wire::Message().add(1, wall_time()).add(3, "brain.Event:2"));
}

void EventFile::write(const std::string& event) {
    if (file_ < 0) return;
    const std::string bytes = record(event);
    if (append(bytes)) {
        size_ += int64_t(bytes.size());
        return;
    }
    const std::string reason = std::strerror(errno);
    if (!warned_)
        log_warning("cannot write ", path_, ": ", reason,
                    ". The training goes on; TensorBoard will miss what does not fit");
    warned_ = true;
    // Readers take a record that was cut off for the end of the file, so what comes later would be
    // lost too.
    if (ftruncate(file_, size_) != 0) close();
}

bool EventFile::append(const std::string& bytes) {
    for (size_t done = 0; done < bytes.size();) {
        const ssize_t n = ::write(file_, bytes.data() + done, bytes.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = ENOSPC;
        if (n <= 0) return false;
        done += size_t(n);
    }
    return true;
}

void EventFile::close() {
    if (file_ >= 0) ::close(file_);
    file_ = -1;
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
