#pragma once
#include <elf.h>

#include <cstring>
#include <string>
#include <vector>

/// Writes the few bytes of an ELF file that the reader looks at.
struct ElfBuilder {
    struct Section {
        std::string name;
        uint32_t type;
        std::string bytes;
    };

    Elf64_Ehdr header{};
    std::vector<Section> sections;
    /// Without section headers: everything in one readable PT_LOAD segment.
    bool stripped = false;

    ElfBuilder() {
        std::memcpy(header.e_ident, ELFMAG, SELFMAG);
        header.e_ident[EI_CLASS] = ELFCLASS64;
        header.e_ident[EI_DATA] = ELFDATA2LSB;
        header.e_type = ET_DYN;
#if defined(__x86_64__)
        header.e_machine = EM_X86_64;
#elif defined(__aarch64__)
        header.e_machine = EM_AARCH64;
#endif
        header.e_ehsize = sizeof(Elf64_Ehdr);
        header.e_phentsize = sizeof(Elf64_Phdr);
        header.e_shentsize = sizeof(Elf64_Shdr);
    }

    static std::string note(uint32_t type, const std::string& name, const std::string& text) {
        Elf64_Nhdr head{};
        head.n_namesz = uint32_t(name.size() + 1);
        head.n_descsz = uint32_t(text.size());
        head.n_type = type;
        std::string bytes(reinterpret_cast<const char*>(&head), sizeof head);
        bytes += name + std::string(4 - name.size() % 4, '\0');
        return bytes + text + std::string((4 - text.size() % 4) % 4, '\0');
    }

    std::string build() const {
        std::string names(1, '\0');
        std::string body;
        const size_t start = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);
        std::vector<Elf64_Shdr> table(1);
        for (const Section& section : sections) {
            Elf64_Shdr entry{};
            entry.sh_name = uint32_t(names.size());
            entry.sh_type = section.type;
            entry.sh_offset = start + body.size();
            entry.sh_size = section.bytes.size();
            names += section.name + '\0';
            body += section.bytes;
            table.push_back(entry);
        }
        Elf64_Shdr names_entry{};
        names_entry.sh_type = SHT_STRTAB;
        names_entry.sh_offset = start + body.size();
        names_entry.sh_size = names.size();
        table.push_back(names_entry);

        Elf64_Phdr segment{};
        segment.p_type = PT_LOAD;
        segment.p_flags = PF_R;
        segment.p_filesz = start + body.size();
        Elf64_Ehdr head = header;
        head.e_phoff = sizeof(Elf64_Ehdr);
        head.e_phnum = 1;
        if (!stripped) {
            body += names;
            head.e_shoff = start + body.size();
            head.e_shnum = uint16_t(table.size());
            head.e_shstrndx = uint16_t(table.size() - 1);
            body.append(reinterpret_cast<const char*>(table.data()),
                        table.size() * sizeof(Elf64_Shdr));
        }
        return std::string(reinterpret_cast<const char*>(&head), sizeof head) +
               std::string(reinterpret_cast<const char*>(&segment), sizeof segment) + body;
    }
};
