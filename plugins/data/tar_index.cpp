#include "tar_index.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "ailab/error.hpp"

namespace ailab {
namespace {

constexpr uint64_t block = 512;

/// The fields of a header (POSIX.1-1988, "ustar") that matter here.
class Header {
  public:
    explicit Header(std::string_view bytes) : bytes_(bytes) {}

    bool is_zero() const {
        return std::all_of(bytes_.begin(), bytes_.end(), [](char c) { return c == '\0'; });
    }
    char type() const { return bytes_[156]; }
    std::string name() const {
        const std::string name = text(0, 100), prefix = text(345, 155);
        const bool ustar = bytes_.substr(257, 6) == std::string_view("ustar\0", 6);
        return ustar && !prefix.empty() ? prefix + "/" + name : name;
    }
    /// Octal digits, or, for 8 GiB and more, GNU's binary number.
    bool size(uint64_t& size) const { return number(124, 12, size); }
    bool checksum_fits() const {
        uint64_t written = 0, sum = 0;
        if (!number(148, 8, written)) return false;
        for (size_t i = 0; i < block; ++i)
            sum += i >= 148 && i < 156 ? uint8_t(' ') : uint8_t(bytes_[i]);
        return sum == written;
    }

  private:
    std::string text(size_t at, size_t length) const {
        const std::string_view field = bytes_.substr(at, length);
        return std::string(field.substr(0, std::min(field.find('\0'), field.size())));
    }
    bool number(size_t at, size_t length, uint64_t& value) const {
        value = 0;
        if (uint8_t(bytes_[at]) == 0x80) {
            for (size_t i = at + length - 8; i < at + length; ++i)
                value = value << 8 | uint8_t(bytes_[i]);
            return true;
        }
        const std::string digits = text(at, length);
        const size_t first = digits.find_first_not_of(' ');
        if (first == std::string::npos) return true;
        const char* begin = digits.data() + first;
        return std::from_chars(begin, digits.data() + digits.size(), value, 8).ptr != begin;
    }

    std::string_view bytes_;
};

/// The value of `key` in a pax header, lines of "length key=value\n".
bool find_pax(std::string_view records, const std::string& key, std::string& value) {
    while (!records.empty()) {
        uint64_t length = 0;
        const char* end = records.data() + records.size();
        const char* blank = std::from_chars(records.data(), end, length).ptr;
        if (length == 0 || length > records.size() || blank == end || *blank != ' ') return false;
        std::string_view record = records.substr(0, length);
        record.remove_prefix(size_t(blank - records.data()) + 1);
        if (record.ends_with('\n')) record.remove_suffix(1);
        if (record.starts_with(key + "=")) {
            value = record.substr(key.size() + 1);
            return true;
        }
        records.remove_prefix(length);
    }
    return false;
}

}  // namespace

std::vector<TarMember> read_tar_index(std::string_view archive, const std::string& path) {
    std::vector<TarMember> members;
    std::string long_name, pax_size;
    uint64_t at = 0;
    const auto cut = [&] {
        throw Error(concat(path, " is cut short at byte ", archive.size(), ", in ",
                           members.empty() ? std::string("its first file")
                                           : "the file after " + members.back().name,
                           "; ", members.size(), " files before are whole"));
    };
    while (at < archive.size()) {
        if (archive.size() - at < block) cut();
        const Header header(archive.substr(at, block));
        if (header.is_zero()) break;  // two of them end an archive
        uint64_t size = 0;
        if (!header.checksum_fits() || !header.size(size))
            throw Error(concat(path, " is no tar archive: there is no header at byte ", at));
        at += block;
        if (!pax_size.empty())
            std::from_chars(pax_size.data(), pax_size.data() + pax_size.size(), size);
        if (size > archive.size() - at) cut();
        const std::string_view bytes = archive.substr(at, size);
        switch (header.type()) {
            case 'L':  // GNU: the next file's name
                long_name = bytes.substr(0, std::min(bytes.find('\0'), bytes.size()));
                break;
            case 'x':  // pax: of the next file
                find_pax(bytes, "path", long_name);
                find_pax(bytes, "size", pax_size);
                break;
            case 'g':  // pax: of all files; nothing that matters here
            case 'K':
                break;
            default:
                if (header.type() == '0' || header.type() == '\0' || header.type() == '7')
                    members.push_back({long_name.empty() ? header.name() : long_name, at, size});
                long_name.clear();
                pax_size.clear();
        }
        at += (size + block - 1) / block * block;
    }
    return members;
}

}  // namespace ailab
