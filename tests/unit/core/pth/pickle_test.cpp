// Pickles as data: what each instruction makes, and what is refused.
#include "pth/pickle.hpp"

#include <gtest/gtest.h>

#include <chrono>

#include "ailab/error.hpp"
#include "pth/pickle_values.hpp"
#include "pth_builder.hpp"

namespace ailab {
namespace {

using namespace std::string_literals;
using namespace test;

std::string show(const PickleValue& value);

std::string show_all(const std::vector<PickleRef>& items) {
    std::vector<std::string> texts;
    for (const PickleRef item : items) texts.push_back(show(*item));
    return join(texts);
}

std::string show_entries(const PickleEntries& entries) {
    std::vector<std::string> texts;
    for (const auto& [key, value] : entries) texts.push_back(show(*key) + ": " + show(*value));
    return join(texts);
}

/// A notation of its own: [list], {dict}, <class>, function(arguments) with what is put into it.
std::string show(const PickleValue& value) {
    if (const auto* list = value.get<PickleList>()) return "[" + show_all(list->items) + "]";
    if (const auto* dict = value.get<PickleDict>()) return "{" + show_entries(dict->entries) + "}";
    if (const auto* global = value.get<PickleGlobal>()) return "<" + global->name + ">";
    if (const auto* bytes = value.get<PickleBytes>()) return "b'" + bytes->bytes + "'";
    if (const auto* big = value.get<PickleBigInt>()) return concat(big->bytes.size(), " bytes");
    if (const auto* outside = value.get<PicklePersistent>()) return "@" + show(*outside->id);
    if (const PickleCall* call = value.call()) {
        std::string text = show(*call->function) + show(*call->arguments);
        if (!call->items.empty()) text += " [" + show_all(call->items) + "]";
        if (!call->entries.empty()) text += " {" + show_entries(call->entries) + "}";
        if (call->state) text += " state " + show(*call->state);
        return text;
    }
    return as_plain(value)->flow();
}

std::string read(const std::string& bytes, uint64_t max_memory = max_pickle_memory) {
    try {
        ByteReader reader{std::string_view(bytes)};
        return show(*read_pickle(reader, max_memory).root);
    } catch (const Error& error) {
        return error.what();
    }
}

TEST(Pickle, ReadsWhatEachInstructionMakes) {
    const std::vector<std::pair<std::string, std::string>> table = {
        {"N", "null"},
        {"\x88", "true"},
        {"\x89", "false"},
        {"K\xff", "255"},
        {"M\xff\xff", "65535"},
        {"J\xff\xff\xff\xff", "-1"},
        {"\x8a\0"s, "0"},
        {"\x8a\1\x80", "-128"},
        {"\x8a\2\0\x80"s, "-32768"},
        {"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f", "9223372036854775807"},
        {"\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\0"s, "9 bytes"},
        {"\x8b\1\0\0\0\5"s, "5"},
        {"G\x3f\xf8\0\0\0\0\0\0"s, "1.5"},
        {"X\2\0\0\0ab"s, "ab"},
        {"\x8c\2ab", "ab"},
        {"\x8d\2\0\0\0\0\0\0\0ab"s, "ab"},
        {"U\2ab", "ab"},
        {"T\2\0\0\0ab"s, "ab"},
        {"C\2ab", "b'ab'"},
        {"B\2\0\0\0ab"s, "b'ab'"},
        {"\x8e\2\0\0\0\0\0\0\0ab"s, "b'ab'"},
        {"\x96\2\0\0\0\0\0\0\0ab"s, "b'ab'"},
        {")", "[]"},
        {"K\1\x85", "[1]"},
        {"K\1K\2\x86", "[1, 2]"},
        {"K\1K\2K\3\x87", "[1, 2, 3]"},
        {"(K\1K\2t", "[1, 2]"},
        {"(K\1K\2l", "[1, 2]"},
        {"(K\1K\2\x91", "[1, 2]"},
        {"]K\1a", "[1]"},
        {"](K\1K\2e", "[1, 2]"},
        {"\x8f(K\1K\2\x90", "[1, 2]"},
        {"}K\1K\2s", "{1: 2}"},
        {"}(K\1K\2K\3K\4u", "{1: 2, 3: 4}"},
        {"(K\1K\2d", "{1: 2}"},
        {"cos\nsystem\n", "<os.system>"},
        {"\x8c\2os\x8c\6system\x93", "<os.system>"},
        {"cos\nsystem\n(X\4\0\0\0exittR"s, "<os.system>[exit]"},
        {"ca\nB\n)\x81}K\1K\2sb", "<a.B>[] state {1: 2}"},
        {"ca\nB\n)}\x92", "<a.B>[]"},
        {"ca\nB\n)R(K\1K\2u(K\3e", "<a.B>[] [3] {1: 2}"},
        {"K\7Q", "@7"},
        {"]q\0h\0\x86"s, "[[], []]"},
        {"K\5q\1K\6r\2\0\0\0h\1j\2\0\0\0\x87"s, "[6, 5, 6]"},
        {"K\5\x94K\6\x94h\0h\1\x86\x86"s, "[6, [5, 6]]"},
        {"K\1K\2"
         "0",
         "1"},
        {"K\1(K\2"
         "1",
         "1"},
        {"K\1(0", "1"},
        {"K\1"
         "2\x86",
         "[1, 1]"},
        {"\x80\4\x95\2\0\0\0\0\0\0\0K\1"s, "1"},
    };
    for (const auto& [instructions, expected] : table)
        EXPECT_EQ(read(pickle(instructions)), expected);
}

TEST(Pickle, SharesWhatTheMemoShares) {
    const std::string bytes = pickle("]q\0h\0\x86"s);
    ByteReader reader{std::string_view(bytes)};
    const PickleGraph graph = read_pickle(reader);
    const auto& items = graph.root->get<PickleList>()->items;
    EXPECT_EQ(items[0], items[1]);
}

TEST(Pickle, StopsAfterItsEnd) {
    const std::string bytes = pickle("K\1") + pickle("K\2") + "rest";
    ByteReader reader{std::string_view(bytes)};
    EXPECT_EQ(show(*read_pickle(reader).root), "1");
    EXPECT_EQ(show(*read_pickle(reader).root), "2");
    EXPECT_EQ(reader.left(), 4u);
}

TEST(Pickle, Refuses) {
    const std::vector<std::pair<std::string, std::string>> table = {
        {"", "0: it is cut short: 1 byte(s) are needed at byte 0, 0 are there"},
        {"hello", "1: it does not begin like a pickle"},
        {"\x80", "1: it is cut short: 1 byte(s) are needed at byte 1, 0 are there"},
        {"\x80\x01", "2: its protocol is 1; 2 to 5 are known"},
        {"\x80\x06", "2: its protocol is 6; 2 to 5 are known"},
        {"\x80\x02K\1", "4: it is cut short: 1 byte(s) are needed at byte 4, 0 are there"},
        // Text forms of protocol 0, persistent names in text, extensions, buffers elsewhere.
        {"\x80\2I1\n.", "3: unknown instruction 0x49"},
        {"\x80\2Pname\n.", "3: unknown instruction 0x50"},
        {"\x80\2i", "3: unknown instruction 0x69"},
        {"\x80\2\x82\1.", "3: unknown instruction 0x82"},
        {"\x80\5\x97.", "3: unknown instruction 0x97"},
        {"\x80\2\xff.", "3: unknown instruction 0xff"},
        // Values that are not on the stack, or lie below a mark.
        {"\x80\2.", "3: it takes a value that is not there"},
        {"\x80\2"
         "0.",
         "3: it takes a value that is not there"},
        {"\x80\2K\1(.", "6: it takes a value that is not there"},
        {"\x80\2K\1(\x85.", "6: it takes a value that is not there"},
        {"\x80\2t.", "3: it takes a mark that is not there"},
        {"\x80\2K\1"
         "1.",
         "5: it takes a mark that is not there"},
        {"\x80\2R.", "3: it takes a value that is not there"},
        {"\x80\2K\1Q0Q.", "7: it takes a value that is not there"},
        // Memo.
        {"\x80\2h\7.", "4: it has no memo 7"},
        {"\x80\2j\xff\xff\xff\xff.", "7: it has no memo 4294967295"},
        {"\x80\2q\1.", "4: it takes a value that is not there"},
        // Containers.
        {"\x80\2K\1K\2a.", "7: it appends to a value that is no list"},
        {"\x80\2K\1K\2K\3s.", "9: it sets items of a value that is no dict"},
        {"\x80\2}(K\1u.", "7: a dict has a key without a value"},
        {"\x80\2(K\1d.", "6: a dict has a key without a value"},
        {"\x80\2}K\1b.", "6: it sets the state of a value that is no object"},
        // Sizes.
        {"\x80\2X\xff\xff\xff\xff"s + "ab",
         "7: it is cut short: 4294967295 byte(s) are needed at byte 7, 2 are there"},
        {"\x80\2\x8d\xff\xff\xff\xff\xff\xff\xff\xff"s + "ab",
         "11: it is cut short: 18446744073709551615 byte(s) are needed at byte 11, 2 are there"},
        {"\x80\2\x8b\xff\xff\xff\xff.", "7: an integer has -1 bytes"},
        {"\x80\2\x8a\5ab", "4: it is cut short: 5 byte(s) are needed at byte 4, 2 are there"},
        // Names.
        {"\x80\2"
         "cos\nsyst",
         "10: it is cut short: 1 byte(s) are needed at byte 10, 0 are there"},
        {"\x80\2K\1K\2\x93.", "7: the name of a class is no short text"},
        {"\x80\2"
         "c" +
             std::string(5000, 'a'),
         "4100: a name at byte 4100 is longer than 4096 bytes"},
    };
    for (const auto& [bytes, complaint] : table)
        EXPECT_EQ(read(bytes), "the pickle cannot be read, at its byte " + complaint);
}

std::string repeat(const std::string& text, size_t times) {
    std::string repeated;
    repeated.reserve(text.size() * times);
    for (size_t i = 0; i < times; ++i) repeated += text;
    return repeated;
}

/// Each would take gigabytes, hours or the whole stack if it were taken at its word.
TEST(Pickle, BoundsMemoryAndTime) {
    constexpr uint64_t little = 64 << 20;
    const std::string too_much = "it holds more than this reader takes";
    const std::vector<std::pair<std::string, std::string>> table = {
        // Nesting costs no recursion, neither here nor when the values are destroyed.
        {repeat("]", 1 << 19) + repeat("a", (1 << 19) - 1), "a list"},
        {repeat("(", 1 << 19) + "K\1" + repeat("t", 1 << 19), "a list"},
        {repeat("ca\nb\n", 1 << 16) + ")" + repeat("R", 1 << 16), "an object"},
        // Doubled 40 times: 2^40 elements if it were written out.
        {"]" + repeat("2\x86", 40), "a list"},
        // A list that holds itself.
        {"]q\0h\0a"s, "a list"},
        // Many values, many marks, many memos, a text that is repeated.
        {repeat("N", 2 << 20), too_much},
        {repeat("(", 16 << 20), too_much},
        {"X\0\0\4\0"s + std::string(1 << 18, 'x') + "q\0"s + repeat("h\0"s, 1 << 20), "xxx"},
    };
    for (const auto& [instructions, expected] : table) {
        const auto start = std::chrono::steady_clock::now();
        const std::string bytes = pickle(instructions);
        std::string found;
        try {
            ByteReader reader{std::string_view(bytes)};
            const PickleGraph graph = read_pickle(reader, little);
            found = describe(*graph.root);
        } catch (const Error& error) {
            found = error.what();
        }
        EXPECT_NE(found.find(expected), std::string::npos) << found.substr(0, 200);
        EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
    }
    // The limit itself.
    EXPECT_EQ(read(pickle(text(std::string(100, 'a'))), 500), std::string(100, 'a'));
    EXPECT_EQ(read(pickle(text(std::string(1000, 'a'))), 500),
              "the pickle cannot be read, at its byte 7: " + too_much);
}

TEST(PickleValues, MappingsNumbersAndNames) {
    const std::string ordered = global("collections", "OrderedDict");
    const std::string pair = "](" + text("a") + number(1) + "e";
    const std::string f8 = "cnumpy\ndtype\n" + tuple({text("f8"), no, no}) + "R";
    const std::string scalar = global("numpy.core.multiarray", "scalar");
    struct Case {
        std::string value, described;
        std::optional<int64_t> a;  // what find("a") gives
    };
    const std::vector<Case> table = {
        {dict({{"a", number(1)}}), "a dict", 1},
        {dict({{"a", number(1)}, {"a", number(2)}}), "a dict", 2},
        {dict({{"b", number(1)}}), "a dict", {}},
        {ordered + ")R(" + text("a") + number(3) + "u", "an object of collections.OrderedDict", 3},
        // Python 2 wrote its items as arguments; a Counter has a dict there.
        {ordered + tuple({"](" + pair + "e"}) + "R", "an object of collections.OrderedDict", 1},
        {global("collections", "Counter") + tuple({dict({{"a", number(4)}})}) + "R",
         "an object of collections.Counter", 4},
        {global("my", "Dict") + ")\x81(" + text("a") + number(5) + "u", "an object of my.Dict", 5},
        {global("my", "Class") + tuple({dict({{"a", number(4)}})}) + "R",
         "an object of my.Class",
         {}},
        {number(5), "the number 5", {}},
        {text("a"), "the string \"a\"", {}},
        {pair, "a list", {}},
        {scalar + tuple({f8, "C\x08\0\0\0\0\0\0\x04\x40"s}) + "R", "the number 2.5", {}},
        {scalar + tuple({f8, "C\x04\0\0\x04\x40"s}) + "R",
         "an object of numpy.core.multiarray.scalar",
         {}},
        {scalar + tuple({none, none}) + "R", "an object of numpy.core.multiarray.scalar", {}},
        {scalar + none + "R", "an object of numpy.core.multiarray.scalar", {}},
        {ordered, "the class collections.OrderedDict", {}},
        {number(1) + "Q", "a storage", {}},
        {number(1) + ")R", "an object", {}},
    };
    for (const Case& c : table) {
        const std::string bytes = pickle(c.value);
        ByteReader reader{std::string_view(bytes)};
        const PickleGraph graph = read_pickle(reader);
        EXPECT_EQ(describe(*graph.root), c.described);
        const PickleRef found = find(*graph.root, "a");
        EXPECT_EQ(found ? as_integer(*found) : std::nullopt, c.a) << c.described;
    }
}

}  // namespace
}  // namespace ailab
