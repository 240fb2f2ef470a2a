#include "plugin/elf_image.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <type_traits>
#include <vector>

#include "ailab/abi.hpp"
#include "ailab/error.hpp"
#include "plugin/byte_file.hpp"

namespace ailab::plugin {
namespace {

#if defined(__x86_64__)
constexpr unsigned this_machine = EM_X86_64;
#elif defined(__aarch64__)
constexpr unsigned this_machine = EM_AARCH64;
#elif defined(__powerpc64__)
constexpr unsigned this_machine = EM_PPC64;
#elif defined(__riscv)
constexpr unsigned this_machine = EM_RISCV;
#else
#error "add this machine's ELF number here and to machine_name()"
#endif

// Notes and string tables larger than this are not what a linker writes.
constexpr uint64_t small_section = 1 << 20;

std::string machine_name(unsigned machine) {
    switch (machine) {
        case EM_X86_64:
            return "x86-64";
        case EM_386:
            return "32-bit x86";
        case EM_AARCH64:
            return "AArch64";
        case EM_ARM:
            return "32-bit ARM";
        case EM_PPC64:
            return "PowerPC 64";
        case EM_RISCV:
            return "RISC-V";
        case EM_S390:
            return "S/390";
        default:
            return concat("ELF machine ", machine);
    }
}

std::string printable(const std::string& bytes) {
    std::string text;
    for (const char c : bytes.substr(0, bytes.find('\n')))
        text += c >= ' ' && c <= '~' && c != '"' ? c : '.';
    return text;
}

/// One file, read piece by piece; every offset is checked before it is used.
class ElfReader {
  public:
    ElfReader(const std::string& path, const std::string& shown) : shown_(shown), file_(path) {}

    ElfImage read() {
        read_header();
        ElfImage image;
        if (header_.e_shnum != 0)
            read_sections(image);
        else
            read_segments(image);
        if (image.build_id.empty()) image.build_id = hash_file();
        return image;
    }

  private:
    [[noreturn]] void fail(const std::string& what) const { throw ConfigError(shown_ + what); }
    [[noreturn]] void fail_damaged(const std::string& what) const {
        fail(concat(" is damaged: ", what, ". Build or copy it again."));
    }

    void require(uint64_t offset, uint64_t size) const {
        if (offset > file_.size() || size > file_.size() - offset)
            fail(concat(" is truncated: it has ", file_.size(), " bytes, and its headers speak of ",
                        offset > UINT64_MAX - size ? offset : offset + size,
                        ". Build or copy it again."));
    }

    std::string bytes(uint64_t offset, uint64_t size) const {
        require(offset, size);
        return file_.read(offset, size);
    }

    /// A part that the headers name. A linker writes no two parts in one place, but a damaged file
    /// may name the whole of itself thousands of times: that is not read each time.
    std::string part(uint64_t offset, uint64_t size) {
        constexpr uint64_t times = 2;  // as a section and as a segment
        read_ += size;
        if (read_ > times * file_.size()) fail_damaged("its parts lie upon each other");
        return bytes(offset, size);
    }

    template <class T>
    T get(uint64_t offset) const {
        static_assert(std::is_trivially_copyable_v<T>);
        T value;
        const std::string raw = bytes(offset, sizeof(T));
        std::memcpy(&value, raw.data(), sizeof(T));
        return value;
    }

    template <class T>
    std::vector<T> table(uint64_t offset, uint64_t count, uint64_t entry_size,
                         const char* what) const {
        if (count == 0) return {};
        if (entry_size != sizeof(T))
            fail_damaged(concat("the size of an entry of its ", what, " table is ", entry_size));
        require(offset, count * sizeof(T));  // count is 16 bits wide
        std::vector<T> entries(count);
        const std::string raw = bytes(offset, count * sizeof(T));
        std::memcpy(entries.data(), raw.data(), raw.size());
        return entries;
    }

    void read_header() {
        if (file_.size() == 0)
            fail(" is empty; it should be a shared library. Build or copy it again.");
        const std::string start = file_.read(0, std::min<uint64_t>(file_.size(), 24));
        if (start.compare(0, SELFMAG, ELFMAG) != 0)
            fail(concat(" is not a shared library: it begins with \"", printable(start),
                        "\". Give --plugins the lib….so that the plugin's build made."));
        header_ = get<Elf64_Ehdr>(0);
        // A 32-bit header differs in layout after e_machine, not before.
        const bool little = header_.e_ident[EI_DATA] == ELFDATA2LSB;
        const bool wide = header_.e_ident[EI_CLASS] == ELFCLASS64;
        if (header_.e_machine != this_machine || !little || !wide)
            fail(concat(" was built for ", machine_name(header_.e_machine),
                        wide || header_.e_machine != this_machine ? "" : " (32-bit)",
                        little ? "" : " (big-endian)", "; this machine is ",
                        machine_name(this_machine), ". Build it on this machine."));
        if (header_.e_type != ET_DYN)
            fail(concat(" is ",
                        header_.e_type == ET_REL    ? "an object file"
                        : header_.e_type == ET_EXEC ? "a program"
                                                    : "some other ELF file",
                        ", not a shared library. Build it with ailab_add_plugin()."));
        // The table of sections is the last thing in the file: most cuts show here.
        require(header_.e_shoff, uint64_t{header_.e_shnum} * header_.e_shentsize);
        segments_ =
            table<Elf64_Phdr>(header_.e_phoff, header_.e_phnum, header_.e_phentsize, "segment");
        for (const Elf64_Phdr& segment : segments_)
            if (segment.p_type == PT_LOAD) require(segment.p_offset, segment.p_filesz);
    }

    void read_sections(ElfImage& image) {
        const auto sections =
            table<Elf64_Shdr>(header_.e_shoff, header_.e_shnum, header_.e_shentsize, "section");
        if (header_.e_shstrndx >= sections.size()) fail_damaged("its section names are missing");
        const Elf64_Shdr& names_at = sections[header_.e_shstrndx];
        if (names_at.sh_size > small_section) fail_damaged("its section names are too long");
        const std::string names = bytes(names_at.sh_offset, names_at.sh_size);
        for (const Elf64_Shdr& section : sections) {
            if (section.sh_type == SHT_NULL || section.sh_type == SHT_NOBITS) continue;
            if (section.sh_name >= names.size())
                fail_damaged("the name of a section lies outside of its names");
            if (names.compare(section.sh_name, stamp_section.size(), stamp_section) == 0 &&
                names.c_str()[section.sh_name + stamp_section.size()] == '\0')
                image.stamp =
                    part(section.sh_offset, std::min<uint64_t>(section.sh_size, small_section));
            else if (section.sh_type == SHT_NOTE && section.sh_size <= small_section)
                find_build_id(part(section.sh_offset, section.sh_size), image);
        }
    }

    /// Without section headers the stamp is still in what gets loaded: look for its magic.
    void read_segments(ElfImage& image) {
        for (const Elf64_Phdr& segment : segments_) {
            if (segment.p_type == PT_NOTE && segment.p_filesz <= small_section)
                find_build_id(part(segment.p_offset, segment.p_filesz), image);
            if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) || !image.stamp.empty())
                continue;
            const std::string content = part(segment.p_offset, segment.p_filesz);
            for (size_t at = content.find(stamp_magic); at != std::string::npos;
                 at = content.find(stamp_magic, at + 1)) {
                uint32_t size = 0;
                if (at + stamp_magic.size() + sizeof size > content.size()) break;
                std::memcpy(&size, content.data() + at + stamp_magic.size(), sizeof size);
                if (size != sizeof(Stamp) || size > content.size() - at) continue;
                image.stamp = content.substr(at, size);
                break;
            }
        }
    }

    static void find_build_id(const std::string& notes, ElfImage& image) {
        constexpr size_t name_size = 4;  // "GNU\0"
        size_t at = 0;
        while (image.build_id.empty() && notes.size() - at >= sizeof(Elf64_Nhdr)) {
            Elf64_Nhdr note;
            std::memcpy(&note, notes.data() + at, sizeof note);
            at += sizeof note;
            const uint64_t name_room = (uint64_t(note.n_namesz) + 3) / 4 * 4;
            const uint64_t text_room = (uint64_t(note.n_descsz) + 3) / 4 * 4;
            if (name_room + note.n_descsz > notes.size() - at) return;
            if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == name_size &&
                notes.compare(at, name_size, "GNU", name_size) == 0)
                image.build_id = hex(notes.substr(at + name_room, note.n_descsz));
            at = std::min<uint64_t>(notes.size(), at + name_room + text_room);
        }
    }

    static std::string hex(const std::string& raw) {
        constexpr char digits[] = "0123456789abcdef";
        std::string text;
        for (const char c : raw) {
            text += digits[(static_cast<unsigned char>(c) >> 4) & 15];
            text += digits[static_cast<unsigned char>(c) & 15];
        }
        return text;
    }

    /// FNV-1a: good enough to tell two builds apart, and only needed when the linker left no id.
    std::string hash_file() const {
        uint64_t hash = 14695981039346656037u;
        constexpr uint64_t piece = 1 << 20;
        for (uint64_t at = 0; at < file_.size(); at += piece)
            for (const char c : file_.read(at, std::min(piece, file_.size() - at)))
                hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
        std::string raw(sizeof hash, '\0');
        for (size_t i = 0; i < sizeof hash; ++i) raw[i] = char(hash >> (8 * (sizeof hash - 1 - i)));
        return "fnv" + hex(raw);
    }

    std::string shown_;
    ByteFile file_;
    uint64_t read_ = 0;  // bytes of parts
    Elf64_Ehdr header_{};
    std::vector<Elf64_Phdr> segments_;
};

}  // namespace

ElfImage read_elf_image(const std::string& path, const std::string& shown) {
    return ElfReader(path, shown).read();
}

}  // namespace ailab::plugin
