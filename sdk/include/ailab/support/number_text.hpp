#pragma once
// Numbers as text and back, the same in every locale. printf(), strtod() and tolower() go by the C
// locale, which any plugin may set: files would get decimal commas, and lose what they had when
// they are read again.
#include <optional>
#include <string>
#include <string_view>

#include "ailab/export.hpp"

namespace ailab {

/// As printf writes "%.<digits>f", "%.<digits>e" and "%.<digits>g" in the C locale; "nan" has no
/// sign.
AILAB_API std::string fixed_text(double value, int digits);
AILAB_API std::string scientific_text(double value, int digits);
AILAB_API std::string general_text(double value, int digits);

/// The decimal number that the text as a whole is: 1, -.5, +2e3, inf, nan. Nothing when it is none
/// (also with blanks around it), or one beyond a double's range.
AILAB_API std::optional<double> parse_number(std::string_view text);

/// A to Z in small letters; other bytes, those of UTF-8 among them, as they are.
AILAB_API std::string lower_case(std::string text);

}  // namespace ailab
