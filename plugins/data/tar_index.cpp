#include "tar_index.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "ailab/error.hpp"

namespace ailab {
namespace {

constexpr uint64_t block = 512;

std::string_view up_to_zero(std::string_view field) {
    return field.substr(0, std::min(field.find('\0'), field.size()));
}

/// Octal digits, or GNU's binary number. False when it is neither; blanks are 0.
bool read_number(std::string_view field, uint64_t& value) {
    value = 0;
    if (uint8_t(field[0]) == 0x80) {
        for (const char c : field.substr(field.size() - 8)) value = value << 8 | uint8_t(c);
        return true;
    }
    const std::string_view digits = up_to_zero(field);
    const size_t first = digits.find_first_not_of(' ');
    if (first == std::string_view::npos) return true;
    const char* begin = digits.data() + first;
    return std::from_chars(begin, digits.data() + digits.size(), value, 8).ptr != begin;
}

/// The fields of a header (POSIX.1-1988, "ustar") that matter here.
class Header {
  public:
    explicit Header(std::string_view bytes) : bytes_(bytes) {}

    bool is_zero() const {
        return std::all_of(bytes_.begin(), bytes_.end(), [](char c) { return c == '\0'; });
    }
    std::string_view bytes() const { return bytes_; }
    char type() const { return bytes_[156]; }
    std::string name() const {
        const std::string name = text(0, 100), prefix = text(345, 155);
        const bool ustar = bytes_.substr(257, 6) == std::string_view("ustar\0", 6);
        return ustar && !prefix.empty() ? prefix + "/" + name : name;
    }
    /// Octal digits, or, for 8 GiB and more, GNU's binary number.
    bool size(uint64_t& size) const { return number(124, 12, size); }
    /// Of a sparse file: the size of the whole.
    bool real_size(uint64_t& size) const { return number(483, 12, size); }
    bool checksum_fits() const {
        uint64_t written = 0, sum = 0;
        if (!number(148, 8, written)) return false;
        for (size_t i = 0; i < block; ++i)
            sum += i >= 148 && i < 156 ? uint8_t(' ') : uint8_t(bytes_[i]);
        return sum == written;
    }

  private:
    std::string text(size_t at, size_t length) const {
        return std::string(up_to_zero(bytes_.substr(at, length)));
    }
    bool number(size_t at, size_t length, uint64_t& value) const {
        return read_number(bytes_.substr(at, length), value);
    }

    std::string_view bytes_;
};

bool read_decimal(std::string_view text, uint64_t& value) {
    const char* const end = text.data() + text.size();
    return std::from_chars(text.data(), end, value).ptr == end && !text.empty();
}

/// What extended headers tell of the file that follows them.
struct Announced {
    std::string name;
    std::optional<uint64_t> size;       // of what is stored
    std::optional<uint64_t> real_size;  // of a sparse file
    bool map_is_stored = false;         // before the pieces of a sparse file
    std::vector<uint64_t> map;          // offset, size, offset, size, …

    /// A pax header: lines of "length key=value\n". False when it is damaged.
    bool read_pax(std::string_view records) {
        while (!records.empty()) {
            uint64_t length = 0;
            const size_t blank = records.find(' ');
            if (blank == std::string_view::npos ||
                !read_decimal(records.substr(0, blank), length) || length <= blank + 1 ||
                length > records.size())
                return false;
            std::string_view record = records.substr(blank + 1, length - blank - 1);
            if (record.ends_with('\n')) record.remove_suffix(1);
            const size_t equals = record.find('=');
            if (equals == std::string_view::npos ||
                !take(record.substr(0, equals), record.substr(equals + 1)))
                return false;
            records.remove_prefix(length);
        }
        return true;
    }

  private:
    /// One record. GNU tar writes sparse files in three ways (its manual, appendix D.2).
    bool take(std::string_view key, std::string_view value) {
        uint64_t number = 0;
        if (key == "path" || key == "GNU.sparse.name") {
            if (key != "path" || !named_by_gnu_) name = value;
            named_by_gnu_ = named_by_gnu_ || key != "path";
            return true;
        }
        if (key == "GNU.sparse.map") return take_map(value);
        if (key == "GNU.sparse.major") map_is_stored = value == "1";
        const bool is_number = key == "size" || key == "GNU.sparse.size" ||
                               key == "GNU.sparse.realsize" || key == "GNU.sparse.offset" ||
                               key == "GNU.sparse.numbytes";
        if (!is_number) return true;
        if (!read_decimal(value, number)) return false;
        if (key == "size")
            size = number;
        else if (key == "GNU.sparse.offset" || key == "GNU.sparse.numbytes")
            map.push_back(number);
        else
            real_size = number;
        return true;
    }
    bool take_map(std::string_view list) {
        for (size_t begin = 0; begin <= list.size();) {
            const size_t end = std::min(list.find(',', begin), list.size());
            uint64_t number = 0;
            if (!read_decimal(list.substr(begin, end - begin), number)) return false;
            map.push_back(number);
            begin = end + 1;
        }
        return true;
    }

    bool named_by_gnu_ = false;
};

class IndexReader {
  public:
    IndexReader(std::string_view archive, const std::string& path)
        : archive_(archive), path_(path) {}

    TarIndex read() {
        TarIndex index;
        while (at_ < archive_.size()) {
            const Header header(take_block());
            if (header.is_zero()) {  // two of them end an archive
                index.has_end = true;
                index.goes_on = archive_.find_first_not_of('\0', at_) != std::string_view::npos;
                break;
            }
            uint64_t size = 0;
            if (!header.checksum_fits() || !header.size(size)) refuse();
            read_entry(header, announced_.size.value_or(size));
        }
        index.members = std::move(members_);
        return index;
    }

  private:
    void read_entry(const Header& header, uint64_t size) {
        switch (header.type()) {
            case 'L':  // GNU: the next file's name
                announced_.name = up_to_zero(take(size));
                return;
            case 'x':  // pax: of the next file
                if (!announced_.read_pax(take(size)))
                    throw Error(concat(path_, ": the pax header before byte ", at_, " is damaged"));
                return;
            case 'g':  // pax: of all files; nothing that matters here
            case 'K':
                take(size);
                return;
            case 'S':
                read_old_sparse(header);
                add(header, size);
                break;
            case '0':
            case '\0':
            case '7':
                add(header, size);
                break;
            default:
                take(size);
        }
        announced_ = {};
    }

    void add(const Header& header, uint64_t size) {
        TarMember member;
        member.name = announced_.name.empty() ? header.name() : announced_.name;
        const uint64_t begin = at_;
        const std::string_view stored = take(size);
        member.begin = begin;
        member.size = size;
        if (announced_.real_size) add_pieces(stored, begin, member);
        members_.push_back(std::move(member));
    }

    // ---- sparse files

    /// GNU's own header: four stretches in it, and more in blocks behind it.
    void read_old_sparse(const Header& header) {
        uint64_t real = 0;
        if (!header.real_size(real)) refuse();
        announced_.real_size = real;
        std::string_view block_bytes = header.bytes();
        size_t first = 386, count = 4, flag = 482;
        for (;;) {
            for (size_t i = 0; i < count; ++i) {
                const std::string_view entry = block_bytes.substr(first + 24 * i, 24);
                uint64_t offset = 0, length = 0;
                if (up_to_zero(entry).empty()) break;
                if (!read_number(entry.substr(0, 12), offset) ||
                    !read_number(entry.substr(12), length))
                    refuse();
                announced_.map.push_back(offset);
                announced_.map.push_back(length);
            }
            if (block_bytes[flag] == '\0') return;
            block_bytes = take_block();
            first = 0, count = 21, flag = 504;
        }
    }

    /// Of version 1.0 the map stands before the pieces, a number a line, in whole blocks.
    bool read_stored_map(std::string_view stored, uint64_t& begin) {
        size_t at = 0;
        const auto next = [&](uint64_t& number) {
            const size_t end = stored.find('\n', at);
            const bool good =
                end != std::string_view::npos && read_decimal(stored.substr(at, end - at), number);
            at = end + 1;
            return good;
        };
        uint64_t stretches = 0;
        bool good = next(stretches) && stretches <= stored.size();
        for (uint64_t i = 0; good && i < 2 * stretches; ++i) {
            announced_.map.emplace_back();
            good = next(announced_.map.back());
        }
        begin += (at + block - 1) / block * block;
        return good;
    }

    void add_pieces(std::string_view stored, uint64_t begin, TarMember& member) {
        const uint64_t end = begin + stored.size();
        bool good = !announced_.map_is_stored || read_stored_map(stored, begin);
        const std::vector<uint64_t>& map = announced_.map;
        member.size = *announced_.real_size;
        good = good && map.size() % 2 == 0;
        for (size_t i = 0; good && i + 1 < map.size(); i += 2) {
            const TarPiece piece{map[i], begin, map[i + 1]};
            good = begin <= end && piece.size <= end - begin && piece.offset <= member.size &&
                   piece.size <= member.size - piece.offset;
            member.pieces.push_back(piece);
            begin += piece.size;
        }
        if (!good)
            throw Error(concat(path_, ": the map of the sparse file ", member.name,
                               " is damaged. Write the archive again, without tar's --sparse"));
        if (member.pieces.empty()) member.pieces.emplace_back();
    }

    // ---- bytes

    std::string_view take_block() {
        if (archive_.size() - at_ < block) cut();
        at_ += block;
        return archive_.substr(at_ - block, block);
    }
    /// What an entry holds; it fills whole blocks.
    std::string_view take(uint64_t size) {
        if (size > archive_.size() - at_) cut();
        const std::string_view bytes = archive_.substr(at_, size);
        at_ += std::min((size + block - 1) / block * block, archive_.size() - at_);
        return bytes;
    }

    [[noreturn]] void cut() const {
        refuse_compressed();
        throw Error(concat(path_, " is cut short at byte ", archive_.size(), ", in ",
                           members_.empty() ? std::string("its first file")
                                            : "the file after " + members_.back().name,
                           "; ", members_.size(), " files before are whole"));
    }

    /// There is no header in the block before `at_`.
    [[noreturn]] void refuse() const {
        refuse_compressed();
        throw Error(concat(path_, " is no tar archive: there is no header at byte ", at_ - block));
    }

    void refuse_compressed() const {
        if (at_ > block) return;
        const struct {
            std::string_view magic;
            const char *name, *unpack;
        } packers[] = {{"\x1f\x8b", "gzip", "gunzip"},
                       {"\x28\xb5\x2f\xfd", "zstd", "unzstd"},
                       {"BZh", "bzip2", "bunzip2"},
                       {"\xfd"
                        "7zXZ",
                        "xz", "unxz"}};
        for (const auto& packer : packers)
            if (archive_.starts_with(packer.magic))
                throw Error(
                    concat(path_, " is compressed (", packer.name,
                           "). Samples are read where they lie in an archive, in any order: "
                           "unpack it once, ",
                           packer.unpack, " < ", path_, " > other.tar"));
    }

    const std::string_view archive_;
    const std::string& path_;
    uint64_t at_ = 0;
    Announced announced_;
    std::vector<TarMember> members_;
};

}  // namespace

TarIndex read_tar_index(std::string_view archive, const std::string& path) {
    return IndexReader(archive, path).read();
}

}  // namespace ailab
