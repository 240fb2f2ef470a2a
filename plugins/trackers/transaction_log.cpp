#include "transaction_log.hpp"

#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "ailab/error.hpp"
#include "ailab/log.hpp"
#include "ailab/support/protobuf.hpp"
#include "stored_text.hpp"

namespace ailab {
namespace {

constexpr int64_t block_size = 32768;
constexpr int64_t chunk_header = 7;  // checksum, length, type

enum ChunkType : uint8_t { full = 1, first = 2, middle = 3, last = 4 };

uint32_t checksum(std::string_view data) {
    return uint32_t(crc32(0, reinterpret_cast<const Bytef*>(data.data()), uInt(data.size())));
}

void append_chunk(std::string& bytes, ChunkType type, std::string_view payload) {
    std::string checked(1, char(type));
    checked += payload;
    wire::append_u32(bytes, checksum(checked));
    wire::append_u16(bytes, uint16_t(payload.size()));
    bytes += checked;
}

/// Whether readers get as far as `size`: they stop at a record that is damaged.
bool is_whole(const std::string& path, int64_t size, const LogFormat& format) {
    try {
        if (size == int64_t(log_header(format).size())) return true;
        const std::vector<StoredRecord> records = read_log(path, format);
        return std::any_of(records.begin(), records.end(),
                           [&](const StoredRecord& record) { return record.end == size; });
    } catch (const Error&) {
        return false;
    }
}

uint32_t little_endian(std::string_view bytes) {
    uint32_t value = 0;
    for (size_t i = 0; i < bytes.size(); ++i) value |= uint32_t(uint8_t(bytes[i])) << (8 * i);
    return value;
}

}  // namespace

std::string log_header(const LogFormat& format) {
    std::string bytes(format.magic);
    wire::append_u16(bytes, format.number);
    bytes += char(format.version);
    return bytes;
}

std::string framed(std::string_view record, int64_t size) {
    std::string bytes;
    for (bool begins = true, ends = false; !ends; begins = false) {
        int64_t space = block_size - (size + int64_t(bytes.size())) % block_size;
        if (space < chunk_header) {
            bytes.append(size_t(space), '\0');
            space = block_size;
        }
        const std::string_view part = record.substr(0, size_t(space - chunk_header));
        record.remove_prefix(part.size());
        ends = record.empty();
        append_chunk(bytes, begins ? (ends ? full : first) : (ends ? last : middle), part);
    }
    return bytes;
}

void TransactionLog::open(const std::string& path) {
    file_ = AppendFile(path, AppendFile::As::made);
    if (const std::string reason = file_.append(log_header(format_)); !reason.empty())
        throw Error(concat("cannot write ", path, ": ", reason));
}

bool TransactionLog::go_on(const std::string& path, int64_t size) {
    struct stat status {};
    if (size < int64_t(log_header(format_).size()) || ::stat(path.c_str(), &status) != 0 ||
        int64_t(status.st_size) < size || !is_whole(path, size, format_))
        return false;
    file_ = AppendFile(path, AppendFile::As::there);
    file_.cut_to(size);
    return true;
}

void TransactionLog::append(std::string_view record) {
    if (!file_.is_open()) return;
    const std::string reason = file_.append(framed(record, file_.size()));
    if (!reason.empty() && !std::exchange(warned_, true))
        log_warning("cannot write ", file_.path(), ": ", reason, ". The training goes on; ",
                    format_.tracker, " will miss what does not fit");
}

std::vector<StoredRecord> read_log(const std::string& path, const LogFormat& format) {
    const std::string data = stored_text(path);
    const std::string header = log_header(format);
    if (!data.starts_with(header)) throw Error(concat(path, " is no file of ", format.tracker));

    std::vector<StoredRecord> records;
    const std::string_view view = data;
    StoredRecord record;
    record.begin = int64_t(header.size());
    bool inside = false;
    for (auto at = int64_t(header.size());;) {
        const int64_t space = block_size - at % block_size;
        if (space < chunk_header) at += space;
        if (at + chunk_header > int64_t(view.size())) break;
        const std::string_view chunk = view.substr(size_t(at));
        const int64_t length = little_endian(chunk.substr(4, 2));
        if (at + chunk_header + length > int64_t(view.size())) break;
        const std::string_view checked = chunk.substr(6, size_t(1 + length));
        const uint8_t type = uint8_t(checked[0]);
        if (checksum(checked) != little_endian(chunk.substr(0, 4)) || type < full || type > last)
            break;
        if (inside != (type == middle || type == last)) break;
        record.bytes += checked.substr(1);
        at += chunk_header + length;
        inside = type == first || type == middle;
        if (inside) continue;
        record.end = at;
        records.push_back(std::move(record));
        record = {};
        record.begin = at;
    }
    return records;
}

}  // namespace ailab
