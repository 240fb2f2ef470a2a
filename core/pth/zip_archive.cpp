#include "zip_archive.hpp"

#include <zlib.h>

#include <algorithm>
#include <vector>

#include "ailab/error.hpp"
#include "files/byte_reader.hpp"

namespace ailab {
namespace {

// PKWARE's APPNOTE.TXT, sections 4.3 and 4.5.3.
constexpr uint32_t local_signature = 0x04034b50;
constexpr uint32_t central_signature = 0x02014b50;
constexpr uint32_t end_signature = 0x06054b50;
constexpr uint32_t end64_signature = 0x06064b50;
constexpr uint32_t locator64_signature = 0x07064b50;
constexpr uint64_t local_size = 30;
constexpr uint64_t end_size = 22;
constexpr uint64_t end64_size = 56;
constexpr uint64_t locator64_size = 20;
constexpr uint64_t max_comment = 0xFFFF;
constexpr uint16_t zip64_field = 1;
constexpr uint32_t in_zip64_field = 0xFFFFFFFF;

constexpr uint64_t max_directory = uint64_t(64) << 20;

struct Directory {
    uint64_t begin = 0;
    uint64_t size = 0;
    uint64_t count = 0;
};

struct Entry {
    std::string name;
    uint64_t header = 0;  // where its local header begins
    ZipRecord record;
};

/// The part [begin, begin + size) of the file.
void require(const InputFile& file, uint64_t begin, uint64_t size, const std::string& what) {
    if (begin > file.size() || size > file.size() - begin)
        throw Error(concat(what, " lies beyond the end of the file, at byte ", begin));
}

/// The end record is the last thing in the file but for a comment.
uint64_t find_end(const InputFile& file) {
    const uint64_t size = std::min(file.size(), end_size + max_comment);
    std::string tail(size_t(size), '\0');
    file.read(tail.data(), size, file.size() - size);
    for (uint64_t at = size < end_size ? 0 : size - end_size + 1; at > 0; --at) {
        ByteReader record(std::string_view(tail).substr(size_t(at - 1)));
        if (record.number<uint32_t>() != end_signature) continue;
        record.skip(16);
        if (record.number<uint16_t>() == record.left()) return file.size() - size + at - 1;
    }
    throw Error("it has no zip directory at its end: it is cut short");
}

Directory find_directory(const InputFile& file) {
    const uint64_t end = find_end(file);
    ByteReader record(file, end, file.size());
    record.skip(10);
    Directory directory;
    directory.count = record.number<uint16_t>();
    directory.size = record.number<uint32_t>();
    directory.begin = record.number<uint32_t>();

    if (end >= locator64_size) {
        ByteReader locator(file, end - locator64_size, end);
        if (locator.number<uint32_t>() == locator64_signature) {
            locator.skip(4);
            const auto at = locator.number<uint64_t>();
            require(file, at, end64_size, "the zip64 directory");
            ByteReader record64(file, at, at + end64_size);
            if (record64.number<uint32_t>() != end64_signature)
                throw Error("its zip64 directory is damaged");
            record64.skip(28);
            directory.count = record64.number<uint64_t>();
            directory.size = record64.number<uint64_t>();
            directory.begin = record64.number<uint64_t>();
        }
    }
    require(file, directory.begin, directory.size, "the zip directory");
    if (directory.size > max_directory)
        throw Error(concat("its zip directory takes ", directory.size, " bytes; at most ",
                           max_directory, " are read"));
    return directory;
}

/// Sizes and offsets that do not fit 32 bits, in this order, those that are marked so alone.
void read_zip64_field(ByteReader& extra, uint64_t& stored, uint64_t& size, uint64_t& header) {
    while (extra.left() >= 4) {
        const auto id = extra.number<uint16_t>();
        const auto length = extra.number<uint16_t>();
        if (id != zip64_field) {
            extra.skip(length);
            continue;
        }
        for (uint64_t* value : {&size, &stored, &header})
            if (*value == in_zip64_field) *value = extra.number<uint64_t>();
        return;
    }
}

Entry read_entry(ByteReader& directory) {
    if (directory.number<uint32_t>() != central_signature)
        throw Error("its zip directory is damaged");
    directory.skip(4);
    const auto flags = directory.number<uint16_t>();
    const auto method = directory.number<uint16_t>();
    directory.skip(4);
    Entry entry;
    entry.record.crc32 = directory.number<uint32_t>();
    uint64_t stored = directory.number<uint32_t>();
    entry.record.size = directory.number<uint32_t>();
    const auto name_length = directory.number<uint16_t>();
    const auto extra_length = directory.number<uint16_t>();
    const auto comment_length = directory.number<uint16_t>();
    directory.skip(8);
    entry.header = directory.number<uint32_t>();
    entry.name = directory.take(name_length);
    const std::string extra_bytes = directory.take(extra_length);
    directory.skip(comment_length);
    ByteReader extra{std::string_view(extra_bytes)};
    read_zip64_field(extra, stored, entry.record.size, entry.header);

    constexpr uint16_t encrypted = 1;
    entry.record.packed = (flags & encrypted) || method != 0 || stored != entry.record.size;
    if (entry.record.packed) entry.record.size = stored;
    return entry;
}

/// The local header has a name and extra fields of its own before the bytes.
void locate(Entry& entry, const InputFile& file) {
    require(file, entry.header, local_size, "the record " + entry.name);
    ByteReader header(file, entry.header, entry.header + local_size);
    if (header.number<uint32_t>() != local_signature)
        throw Error(concat("its record ", entry.name, " is damaged"));
    header.skip(22);
    const auto name_length = header.number<uint16_t>();
    const auto extra_length = header.number<uint16_t>();
    entry.record.begin = entry.header + local_size + name_length + extra_length;
    require(file, entry.record.begin, entry.record.size, "the record " + entry.name);
}

void check(const ZipRecord& record, uLong found, const std::string& name) {
    if (record.packed)
        throw Error(concat("its record ", name,
                           " is compressed or encrypted; torch.save does not do that: unpack the "
                           "file and pack it again with zip -0 -r"));
    if (record.crc32 != 0 && found != record.crc32)
        throw Error(concat("its record ", name, " is damaged: the checksum is another"));
}

}  // namespace

std::map<std::string, ZipRecord> read_zip_directory(const InputFile& file) {
    const Directory directory = find_directory(file);
    ByteReader bytes(file, directory.begin, directory.begin + directory.size);
    std::vector<Entry> entries;
    while (entries.size() < directory.count) {
        entries.push_back(read_entry(bytes));
        locate(entries.back(), file);
    }
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return a.header < b.header; });
    std::map<std::string, ZipRecord> records;
    uint64_t end = 0;
    for (const Entry& entry : entries) {
        if (entry.header < end)
            throw Error(concat("its record ", entry.name, " overlaps the one before"));
        end = entry.record.begin + entry.record.size;
        if (!records.emplace(entry.name, entry.record).second)
            throw Error(concat("it has two records ", entry.name));
    }
    return records;
}

void check_record(const ZipRecord& record, const void* bytes, const std::string& name) {
    const uLong found = crc32_z(0, static_cast<const Bytef*>(bytes), size_t(record.size));
    check(record, found, name);
}

void check_record(const ZipRecord& record, const InputFile& file, const std::string& name) {
    std::vector<Bytef> chunk(size_t(std::min<uint64_t>(record.size, 1 << 20)));
    uLong found = 0;
    for (uint64_t at = 0; at < record.size;) {
        const uint64_t n = std::min<uint64_t>(chunk.size(), record.size - at);
        file.read(chunk.data(), n, record.begin + at);
        found = crc32_z(found, chunk.data(), size_t(n));
        at += n;
    }
    check(record, found, name);
}

}  // namespace ailab
