#include "ailab/support/number_text.hpp"

#include <charconv>
#include <cmath>

namespace ailab {
namespace {

std::string number_text(double value, std::chars_format format, int digits) {
    if (std::isnan(value)) return "nan";
    // The greatest double has 309 digits before its point.
    std::string text(size_t(320 + digits), '\0');
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value, format, digits);
    text.resize(size_t(end.ptr - text.data()));
    return text;
}

}  // namespace

std::string fixed_text(double value, int digits) {
    return number_text(value, std::chars_format::fixed, digits);
}

std::string scientific_text(double value, int digits) {
    return number_text(value, std::chars_format::scientific, digits);
}

std::string general_text(double value, int digits) {
    return number_text(value, std::chars_format::general, digits);
}

std::optional<double> parse_number(std::string_view text) {
    if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
    double value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || stop != end) return std::nullopt;
    return value;
}

std::string lower_case(std::string text) {
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
    return text;
}

}  // namespace ailab
