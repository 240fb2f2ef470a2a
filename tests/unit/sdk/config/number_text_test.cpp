// Numbers as text and back, in whatever locale.
#include "ailab/support/number_text.hpp"

#include <gtest/gtest.h>

#include <clocale>
#include <cmath>
#include <cstdio>
#include <limits>

#include "ailab/support/utf8.hpp"

namespace ailab {
namespace {

std::string printed(const char* format, int digits, double value) {
    char text[400];
    std::snprintf(text, sizeof text, format, digits, value);
    return text;
}

TEST(NumberText, IsWhatPrintfWritesInTheCLocale) {
    ASSERT_STREQ(std::setlocale(LC_NUMERIC, nullptr), "C");
    for (const double value : {0.0, -0.0, 1.0, 0.5, 2.5, 1.0 / 3, -1e-7, 123456.789, 9.99995, 1e22,
                               1e300, 5e-324, -std::numeric_limits<double>::infinity()})
        for (const int digits : {0, 1, 4, 9}) {
            EXPECT_EQ(fixed_text(value, digits), printed("%.*f", digits, value));
            EXPECT_EQ(scientific_text(value, digits), printed("%.*e", digits, value));
            EXPECT_EQ(general_text(value, digits), printed("%.*g", digits, value));
        }
    EXPECT_EQ(fixed_text(-std::nan(""), 4), "nan");
}

TEST(NumberText, ReadsDecimalNumbersAsAWhole) {
    const std::vector<std::pair<std::string, double>> taken = {
        {"1", 1},      {"-2.5", -2.5},     {"+3", 3},         {".5", 0.5}, {"4.", 4},
        {"1e3", 1000}, {"-1.5E-2", -.015}, {"inf", INFINITY}, {"007", 7},
    };
    for (const auto& [text, value] : taken) EXPECT_EQ(parse_number(text), value) << text;
    EXPECT_TRUE(std::isnan(parse_number("nan").value()));
    for (const char* text :
         {"", "+", "-", "+-1", "1,5", " 1", "1 ", "1x", "0x1p3", "1e", "1e999", "one", "."})
        EXPECT_EQ(parse_number(text), std::nullopt) << text;
}

TEST(LowerCase, ChangesLettersOfAsciiAlone) {
    EXPECT_EQ(lower_case("A.JPG_9"), "a.jpg_9");
    EXPECT_EQ(lower_case("\xC3\x84\xC4"), "\xC3\x84\xC4");
}

TEST(ValidUtf8, ReplacesEachByteThatIsNone) {
    const std::string bad = "\xEF\xBF\xBD";
    const std::vector<std::pair<std::string, std::string>> table = {
        {"", ""},
        {"caf\xC3\xA9 \xE9\x9E\x8B \xF0\x9F\x98\x80\n\x01",
         "caf\xC3\xA9 \xE9\x9E\x8B \xF0\x9F\x98\x80\n\x01"},
        {"caf\xE9", "caf" + bad},
        {"\xE9 .png", bad + " .png"},
        {"\xC3", bad},
        {"\xC0\xAF", bad + bad},            // overlong
        {"\xED\xA0\x80", bad + bad + bad},  // a surrogate
        {"\xF5\x80\x80\x80", bad + bad + bad + bad},
    };
    for (const auto& [text, valid] : table) EXPECT_EQ(valid_utf8(text), valid) << text;
}

}  // namespace
}  // namespace ailab
