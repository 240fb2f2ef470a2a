#pragma once
// The parts of JSON that is written line by line.
#include <string>

#include "ailab/export.hpp"

namespace ailab {

/// In quotes; with U+FFFD in place of each byte that is no UTF-8.
AILAB_API std::string json_text(const std::string& text);

/// What becomes of NaN and infinities, which JSON does not have.
enum class NotFinite {
    null,
    named,  // NaN, Infinity and -Infinity, as Python's json writes and reads them
};
/// The shortest text that reads back to the same number.
AILAB_API std::string json_number(double number, NotFinite not_finite);

}  // namespace ailab
