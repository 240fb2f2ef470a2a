#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace ailab {

/// The first byte that no YAML text may hold: invalid UTF-8 or a control character; npos if none.
/// (yaml-cpp replaces the former without a word and takes \x04 for the end of the file.)
size_t find_bad_byte(std::string_view text);

/// Characters, not bytes.
size_t count_characters(std::string_view text);

/// A character that an editor does not show, or shows as another.
struct OddCharacter {
    size_t index = 0;  // in characters, from 0
    std::string name;  // "U+200B (zero-width space)"
};

/// The first one that cannot be seen: spaces other than ' ', marks of width 0, of the direction of
/// writing, of the order of bytes. Not joiners between letters that want them. nullopt: none.
std::optional<OddCharacter> invisible_character(std::string_view text);

/// " It holds U+200B (zero-width space), which cannot be seen." or " It holds U+0435, which is no
/// ASCII letter." for what stands where a name in ASCII is expected; "" for ASCII that can be seen.
std::string odd_character_note(std::string_view text);

}  // namespace ailab
