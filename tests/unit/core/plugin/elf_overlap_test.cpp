// A plugin file whose headers name the same bytes again and again is refused before they are read
// as often.
#include <gtest/gtest.h>

#include "ailab/abi.hpp"
#include "ailab/error.hpp"
#include "elf_builder.hpp"
#include "plugin/elf_image.hpp"
#include "temporary_folder.hpp"

namespace ailab::plugin {
namespace {

template <class Header>
std::string table(const Header& entry, size_t count) {
    std::string bytes;
    for (size_t i = 0; i < count; ++i)
        bytes.append(reinterpret_cast<const char*>(&entry), sizeof entry);
    return bytes;
}

/// 60,000 headers over a megabyte: 60 GB to read.
constexpr size_t many = 60'000, large = 1 << 20;

TEST(ElfImage, RefusesSectionsThatLieUponEachOther) {
    const std::string names("\0.a\0", 4);
    for (const uint32_t type : {SHT_NOTE, SHT_PROGBITS}) {
        Elf64_Shdr section{};
        section.sh_type = type;
        section.sh_offset = sizeof(Elf64_Ehdr) + names.size();
        section.sh_size = large;
        std::string content(large, '\0');
        // Sections of code are not read, whatever they are named; the stamp's are.
        if (type == SHT_PROGBITS) section.sh_offset = sizeof(Elf64_Ehdr);
        Elf64_Shdr names_at{};
        names_at.sh_type = SHT_STRTAB;
        names_at.sh_offset = sizeof(Elf64_Ehdr);
        names_at.sh_size = names.size();
        std::string body = names;
        if (type == SHT_PROGBITS) {
            body = std::string(stamp_section) + '\0';
            names_at.sh_size = body.size();
        }
        ElfBuilder elf;
        Elf64_Ehdr header = elf.header;
        body += content;
        header.e_shoff = sizeof header + body.size();
        header.e_shnum = many;
        header.e_shstrndx = 0;
        body += table(names_at, 1) + table(section, many - 1);
        const TemporaryFolder folder;
        const std::string file = folder.write(
            "libmy.so", std::string(reinterpret_cast<const char*>(&header), sizeof header) + body);
        EXPECT_EQ(error_of([&] { read_elf_image(file); }, folder.path()),
                  "FOLDER/libmy.so is damaged: its parts lie upon each other. Build or copy it "
                  "again.");
    }
}

TEST(ElfImage, RefusesSegmentsThatLieUponEachOther) {
    ElfBuilder elf;
    Elf64_Ehdr header = elf.header;
    Elf64_Phdr segment{};
    segment.p_type = PT_LOAD;
    segment.p_flags = PF_R;
    segment.p_offset = sizeof header;
    segment.p_filesz = large;
    header.e_phoff = sizeof header + large;
    header.e_phnum = many;
    const TemporaryFolder folder;
    const std::string file = folder.write(
        "libmy.so", std::string(reinterpret_cast<const char*>(&header), sizeof header) +
                        std::string(large, '\0') + table(segment, many));
    EXPECT_EQ(error_of([&] { read_elf_image(file); }, folder.path()),
              "FOLDER/libmy.so is damaged: its parts lie upon each other. Build or copy it again.");
}

}  // namespace
}  // namespace ailab::plugin
