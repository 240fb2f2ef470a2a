#include "plugin/elf_image.hpp"

#include <gtest/gtest.h>

#include <random>

#include "ailab/abi.hpp"
#include "ailab/error.hpp"
#include "elf_builder.hpp"
#include "temporary_folder.hpp"

namespace ailab::plugin {
namespace {

std::string stamp_bytes() {
    const Stamp stamp = make_stamp();
    return {reinterpret_cast<const char*>(&stamp), sizeof stamp};
}

ElfBuilder plugin_file() {
    ElfBuilder elf;
    elf.sections = {{".note.gnu.build-id", SHT_NOTE,
                     ElfBuilder::note(NT_GNU_ABI_TAG, "GNU", std::string(16, '\1')) +
                         ElfBuilder::note(NT_GNU_BUILD_ID, "GNU", "\x01\xab\xcd\xef")},
                    {"ailab_abi", SHT_PROGBITS, stamp_bytes()},
                    {".bss", SHT_NOBITS, ""}};
    return elf;
}

ElfImage read(const std::string& bytes) {
    const TemporaryFolder folder;
    return read_elf_image(folder.write("libmy.so", bytes));
}

std::string refusal(const std::string& bytes) {
    const TemporaryFolder folder;
    const std::string file = folder.write("libmy.so", bytes);
    return error_of([&] { read_elf_image(file); }, folder.path());
}

TEST(ElfImage, FindsTheStampAndTheBuildId) {
    const ElfImage image = read(plugin_file().build());
    EXPECT_EQ(image.stamp, stamp_bytes());
    EXPECT_EQ(image.build_id, "01abcdef");
}

TEST(ElfImage, FindsTheStampInAFileWithoutSectionHeaders) {
    ElfBuilder elf = plugin_file();
    elf.stripped = true;
    EXPECT_EQ(read(elf.build()).stamp, stamp_bytes());
}

TEST(ElfImage, HasNoStampWhereThereIsNone) {
    ElfBuilder elf = plugin_file();
    elf.sections[1].name = "other";
    EXPECT_EQ(read(elf.build()).stamp, "");
}

TEST(ElfImage, HashesTheFileWhereTheLinkerLeftNoBuildId) {
    ElfBuilder elf = plugin_file();
    elf.sections.erase(elf.sections.begin());
    const std::string before = read(elf.build()).build_id;
    EXPECT_EQ(before.substr(0, 3), "fnv");
    EXPECT_EQ(read(elf.build()).build_id, before);
    elf.sections.front().bytes += "x";
    EXPECT_NE(read(elf.build()).build_id, before);
}

TEST(ElfImage, RefusesWhatIsNoLibraryForThisMachine) {
    const std::string good = plugin_file().build();
    auto changed = [](auto change) {
        ElfBuilder elf = plugin_file();
        change(elf.header);
        return elf.build();
    };
    const std::string size = std::to_string(good.size());
    const struct {
        std::string bytes;
        std::string text;
    } table[] = {
        {"", "FOLDER/libmy.so is empty; it should be a shared library. Build or copy it again."},
        {"#include <x>\nint main() {}\n",
         "FOLDER/libmy.so is not a shared library: it begins with \"#include <x>\". Give --plugins "
         "the lib….so that the plugin's build made."},
        {"\x01\"\xff",
         "FOLDER/libmy.so is not a shared library: it begins with \"...\". Give "
         "--plugins the lib….so that the plugin's build made."},
        {good.substr(0, 40),
         "FOLDER/libmy.so is truncated: it has 40 bytes, and its headers speak "
         "of 64. Build or copy it again."},
        {good.substr(0, good.size() - 1),
         concat("FOLDER/libmy.so is truncated: it has ", good.size() - 1,
                " bytes, and its headers speak of ", size, ". Build or copy it again.")},
        {changed([](Elf64_Ehdr& h) { h.e_machine = EM_PPC64; }),
         "FOLDER/libmy.so was built for PowerPC 64; this machine is x86-64. Build it on this "
         "machine."},
        {changed([](Elf64_Ehdr& h) {
             h.e_ident[EI_CLASS] = ELFCLASS32;
             h.e_machine = EM_386;
         }),
         "FOLDER/libmy.so was built for 32-bit x86; this machine is x86-64. Build it on this "
         "machine."},
        {changed([](Elf64_Ehdr& h) { h.e_machine = 4711; }),
         "FOLDER/libmy.so was built for ELF machine 4711; this machine is x86-64. Build it on this "
         "machine."},
        {changed([](Elf64_Ehdr& h) { h.e_type = ET_REL; }),
         "FOLDER/libmy.so is an object file, not a shared library. Build it with "
         "ailab_add_plugin()."},
        {changed([](Elf64_Ehdr& h) { h.e_type = ET_EXEC; }),
         "FOLDER/libmy.so is a program, not a shared library. Build it with ailab_add_plugin()."},
        {changed([](Elf64_Ehdr& h) { h.e_shentsize = 7; }),
         "FOLDER/libmy.so is damaged: the size of an entry of its section table is 7. Build or "
         "copy "
         "it again."},
    };
    for (const auto& row : table) EXPECT_EQ(refusal(row.bytes), row.text);
}

TEST(ElfImage, RefusesAFolderAndAMissingFile) {
    const TemporaryFolder folder;
    EXPECT_EQ(error_of([&] { read_elf_image(folder.path()); }, folder.path()),
              "FOLDER is a folder; it should be a shared library.");
    EXPECT_EQ(error_of([&] { read_elf_image(folder.path("no.so")); }, folder.path()),
              "FOLDER/no.so cannot be read: No such file or directory.");
}

TEST(ElfImage, SurvivesAnyDamage) {
    const TemporaryFolder folder;
    for (const bool stripped : {false, true}) {
        ElfBuilder elf = plugin_file();
        elf.stripped = stripped;
        const std::string good = elf.build();
        std::mt19937 random(1);
        int refused = 0;
        for (int round = 0; round < 1000; ++round) {
            std::string bytes = good;
            for (int i = 0; i < 4; ++i) bytes[random() % bytes.size()] = char(random());
            // Headers matter most.
            if (round % 2) bytes[4 + random() % 60] = char(random());
            if (round % 5 == 0) bytes.resize(random() % bytes.size());
            const std::string text =
                error_of([&] { read_elf_image(folder.write("libmy.so", bytes)); });
            if (!text.empty()) ++refused;
        }
        EXPECT_GT(refused, 100);
    }
}

}  // namespace
}  // namespace ailab::plugin
