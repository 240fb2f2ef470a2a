#pragma once
// Reads what a plugin file says about itself without running any of its code. An own small parser:
// it must survive any file that a user may name.
#include <string>

namespace ailab::plugin {

struct ElfImage {
    /// The bytes of the stamp's section; empty when the file has none.
    std::string stamp;
    /// Hex of the linker's build-id note, else a hash of the whole file.
    std::string build_id;
};

/// Throws ConfigError, with a text that begins with `shown`, when this is no complete shared
/// library for this machine.
ElfImage read_elf_image(const std::string& path, const std::string& shown);
inline ElfImage read_elf_image(const std::string& path) {
    return read_elf_image(path, path);
}

}  // namespace ailab::plugin
