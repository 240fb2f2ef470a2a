#include "idx_file.hpp"

#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "ailab/error.hpp"

namespace ailab {
namespace {

constexpr uint8_t unsigned_bytes = 0x08;

size_t header_size(int dimensions) {
    return 4 + 4 * size_t(dimensions);
}

std::string hex(std::span<const uint8_t> bytes) {
    static const char digits[] = "0123456789abcdef";
    std::string text = "0x";
    for (uint8_t byte : bytes) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

[[noreturn]] void fail_truncated(const std::string& path, int64_t got, int64_t expected) {
    throw Error(concat(path, " is truncated: got ", got, " bytes of data, expected ", expected,
                       ". Fetch the file again"));
}

/// Whether a gzip file's last four bytes give this length of what it holds, modulo 2^32 (RFC 1952).
bool has_length(std::span<const uint8_t> packed, int64_t length) {
    if (packed.size() < 4) return false;
    const auto end = packed.last(4);
    return (uint32_t(end[0]) | uint32_t(end[1]) << 8 | uint32_t(end[2]) << 16 |
            uint32_t(end[3]) << 24) == uint32_t(length);
}

/// In large pages where the system gives them: shuffled samples are all over the memory, and
/// looking up their pages takes longer than reading them.
std::shared_ptr<uint8_t> take_memory(size_t size) {
    size = std::max<size_t>(size, 1);
    void* address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED)
        throw Error(concat("cannot take ", size, " bytes of memory: ", std::strerror(errno)));
    madvise(address, size, MADV_HUGEPAGE);  // a wish: without it, small pages
    return {static_cast<uint8_t*>(address), [size](uint8_t* data) { munmap(data, size); }};
}

/// An open gzip file; zlib reads plain files through the same calls, but those are mapped.
class GzipReader {
  public:
    explicit GzipReader(const std::string& path) : path_(path), file_(gzopen(path.c_str(), "rb")) {
        if (!file_) throw Error(concat("cannot open ", path, ": ", std::strerror(errno)));
        gzbuffer(file_, 1 << 17);
    }
    ~GzipReader() { gzclose(file_); }
    GzipReader(const GzipReader&) = delete;
    GzipReader& operator=(const GzipReader&) = delete;

    /// Up to `size` bytes; fewer at the end.
    int64_t read(uint8_t* to, int64_t size) {
        int64_t done = 0;
        while (done < size) {
            const auto piece = unsigned(std::min<int64_t>(size - done, 1 << 30));
            const int n = gzread(file_, to + done, piece);
            if (n < 0) fail();
            if (n == 0) break;
            done += n;
        }
        return done;
    }
    /// Up to `size` bytes that nobody wants.
    int64_t skip(int64_t size) {
        std::vector<uint8_t> buffer(1 << 17);
        int64_t done = 0;
        while (done < size) {
            const int64_t n = read(buffer.data(), std::min(size - done, int64_t(buffer.size())));
            if (n == 0) break;
            done += n;
        }
        return done;
    }
    /// Checks that the data ends here and that its checksum is right.
    void expect_end(int64_t expected) {
        uint8_t more;
        if (read(&more, 1) == 1)
            throw Error(concat(path_, ": got more bytes of data than the expected ", expected,
                               ". Fetch the file again"));
        int code = Z_OK;
        gzerror(file_, &code);
        if (code != Z_OK && code != Z_STREAM_END) fail();
    }

  private:
    [[noreturn]] void fail() {
        int code = Z_OK;
        std::string text = gzerror(file_, &code);
        if (code == Z_ERRNO) text = std::strerror(errno);
        const std::string prefix = path_ + ": ";  // zlib's own
        if (text.compare(0, prefix.size(), prefix) == 0) text.erase(0, prefix.size());
        throw Error(concat("cannot read ", path_, ": ", text, ". Fetch the file again"));
    }

    std::string path_;
    gzFile file_;
};

}  // namespace

IdxFile::IdxFile(const std::string& path, int dimensions, int64_t limit) : path_(path) {
    // Shuffled samples: reading ahead would only fill the memory.
    auto plain = std::make_shared<const MappedFile>(path, MappedFile::Order::random);
    const std::string_view text = plain->text();
    const std::span bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size());
    if (bytes.size() >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b) {
        read_gzip(bytes, dimensions, limit);
    } else {
        read_plain(bytes, dimensions, limit);
        mapping_ = std::move(plain);
    }
}

void IdxFile::use() const {
    if (mapping_) mapping_->use();
}

void IdxFile::read_plain(std::span<const uint8_t> bytes, int dimensions, int64_t limit) {
    parse_header(bytes.first(std::min(bytes.size(), header_size(dimensions))), dimensions, limit);
    const int64_t expected = shape_[0] * item_size_;
    const auto got = int64_t(bytes.size() - header_size(dimensions));
    if (got < expected) fail_truncated(path_, got, expected);
    if (got > expected)
        throw Error(concat(path_, ": got ", got, " bytes of data, expected ", expected,
                           ". Fetch the file again"));
    data_ = bytes.data() + header_size(dimensions);
}

void IdxFile::read_gzip(std::span<const uint8_t> packed, int dimensions, int64_t limit) {
    GzipReader reader(path_);
    std::vector<uint8_t> header(header_size(dimensions));
    header.resize(size_t(reader.read(header.data(), int64_t(header.size()))));
    parse_header(header, dimensions, limit);
    const int64_t wanted = available_ * item_size_;
    const int64_t all = shape_[0] * item_size_;
    const std::shared_ptr<uint8_t> memory = take_memory(size_t(wanted));
    int64_t got = reader.read(memory.get(), wanted);
    // To inflate the rest for its checksum would take most of a trial run's start. The length at
    // the end tells of a broken download for nothing; where it differs the rest is read, to say
    // what is wrong, or that nothing is: the length is that of the last of several gzip members.
    const bool to_the_end = got < wanted || !has_length(packed, int64_t(header.size()) + all);
    if (to_the_end) got += reader.skip(all - got);
    if (to_the_end && got < all) fail_truncated(path_, got, all);
    if (got == all) reader.expect_end(all);
    data_ = memory.get();
    inflated_ = memory;
}

void IdxFile::parse_header(std::span<const uint8_t> bytes, int dimensions, int64_t limit) {
    const uint8_t magic[4] = {0, 0, unsigned_bytes, uint8_t(dimensions)};
    if (bytes.size() < 4 || std::memcmp(bytes.data(), magic, 4) != 0)
        throw Error(concat(path_, " is no IDX file of ", dimensions == 1 ? "labels" : "images",
                           ": got the magic ", hex(bytes.first(std::min<size_t>(bytes.size(), 4))),
                           ", expected ", hex(magic)));
    if (bytes.size() < header_size(dimensions))
        throw Error(concat(path_, " is truncated: got ", bytes.size(), " bytes, its header has ",
                           header_size(dimensions), ". Fetch the file again"));
    for (int d = 0; d < dimensions; ++d) {
        const uint8_t* at = bytes.data() + 4 + 4 * d;
        shape_.push_back(int64_t(at[0]) << 24 | at[1] << 16 | at[2] << 8 | at[3]);
        // Three numbers below 2^32 can overflow 2^63.
        if (d > 0 && __builtin_mul_overflow(item_size_, shape_.back(), &item_size_))
            throw Error(path_ + ": the sizes in its header overflow");
    }
    int64_t total = 0;
    if (__builtin_mul_overflow(item_size_, shape_[0], &total) || item_size_ == 0)
        throw Error(concat(path_, ": the sizes in its header make no sense"));
    available_ = limit < 0 ? shape_[0] : std::min(limit, shape_[0]);
}

std::optional<std::string> plain_or_gzip(const std::string& path) {
    for (const std::string& name : {path, path + ".gz"})
        if (access(name.c_str(), F_OK) == 0) return name;
    return std::nullopt;
}

}  // namespace ailab
