// Characters that an editor does not show: named where they stand.
#include <gtest/gtest.h>

#include "config/utf8.hpp"
#include "config_case.hpp"

namespace ailab {
namespace {

struct Odd {
    const char* name;
    std::string text;  // behind `least`
    std::string complaint;
    std::vector<std::string> overrides = {};
};

void PrintTo(const Odd& odd, std::ostream* out) {
    *out << odd.name;
}

class OddCharacters : public testing::TestWithParam<Odd> {};

TEST_P(OddCharacters, AreNamedWithTheirPlace) {
    EXPECT_EQ(complaint(least + GetParam().text, GetParam().overrides), GetParam().complaint);
}

const Odd odd[] = {
    {"zero_width_space", "se\u200bed: 1\n",
     "c.yaml:5:3: the key \"se\u200bed\" holds U+200B (zero-width space), which cannot be seen. "
     "Type the key anew."},
    {"no_break_space_as_indent", "dist:\n\u00a0\u00a0timeout: 3\n",
     "c.yaml:6:1: the key \"\u00a0\u00a0timeout\" holds U+00A0 (no-break space), which cannot be "
     "seen. Type the key anew."},
    {"byte_order_mark_inside", "\ufeffseed: 1\n",
     "c.yaml:5:1: the key \"\ufeffseed\" holds U+FEFF (byte order mark), which cannot be seen. "
     "Type the key anew."},
    {"right_to_left_override", "dist: {\u202etimeout: 3}\n",
     "c.yaml:5:8: the key \"\u202etimeout\" holds U+202E (a mark of the direction of writing), "
     "which cannot be seen. Type the key anew."},
    {"left_to_right_mark", "seed\u200e: 1\n",
     "c.yaml:5:5: the key \"seed\u200e\" holds U+200E (left-to-right mark), which cannot be seen. "
     "Type the key anew."},
    {"soft_hyphen", "see\u00add: 1\n",
     "c.yaml:5:4: the key \"see\u00add\" holds U+00AD (soft hyphen), which cannot be seen. Type "
     "the key anew."},
    {"in_quotes", "\"se\u2060ed\": 1\n",
     "c.yaml:5:1: the key \"se\u2060ed\" holds U+2060 (word joiner), which cannot be seen. Type "
     "the key anew."},
    {"joiner_in_ascii", "se\u200ded: 1\n",
     "c.yaml:5:3: the key \"se\u200ded\" holds U+200D (zero-width joiner), which cannot be seen. "
     "Type the key anew."},
    {"a_name_of_the_users_own", "hooks: {m: {type: MetricHook, to\u200bp1: {type: Accuracy}}}\n",
     "c.yaml:5:33: the key \"to\u200bp1\" holds U+200B (zero-width space), which cannot be seen. "
     "Type the key anew."},
    {"homoglyph", "s\u0435ed: 1\n",
     "c.yaml:5:1: the configuration has no key \"s\u0435ed\". It takes: " + all_keys +
         ". It holds U+0435 (\u0435), which is no ASCII letter."},
    {"in_a_number", "seed: 1\u00a0\n",
     "c.yaml:5:7: seed must be an integer, got the string \"1\u00a0\". It holds U+00A0 (no-break "
     "space), which cannot be seen."},
    {"in_a_choice", "loss: {type: CrossEntropyLoss, reduction: me\u200ban}\n",
     "c.yaml:5:43: loss.reduction must be one of mean, sum, none, got \"me\u200ban\". "
     "It holds U+200B (zero-width space), which cannot be seen."},
    {"in_an_override",
     "",
     "command line, hooks.m.to\u200bp=1: the key holds U+200B (zero-width space) at its character "
     "11, which cannot be seen. Type the key anew.",
     {"hooks.m.to\u200bp=1"}},
};
INSTANTIATE_TEST_SUITE_P(Keys, OddCharacters, testing::ValuesIn(odd),
                         [](const auto& info) { return info.param.name; });

/// What can be seen, and joiners between letters that want them.
TEST(OddCharacters, NamesInOtherScriptsAreNone) {
    for (const char* text :
         {"top1", "größe", "精度", "نمی\u200cخواهم", "❤\ufe0f", "क्\u200dष", "a b", "a-b_c.d", ""})
        EXPECT_FALSE(invisible_character(text)) << text;
    EXPECT_EQ(invisible_character("größe\u3000")->name, "U+3000 (ideographic space)");
    EXPECT_EQ(invisible_character("größe\u3000")->index, 5u);
    EXPECT_EQ(odd_character_note("mean"), "");
}

/// A byte order mark where it belongs.
TEST(OddCharacters, AMarkAtTheBeginningIsAccepted) {
    EXPECT_EQ(complaint("\ufeff" + least), "accepted");
}

}  // namespace
}  // namespace ailab
