#include "ailab/node.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ailab/error.hpp"
#include "config/yaml_reader.hpp"

namespace ailab {
namespace {

Node yaml(const std::string& text) {
    Problems problems;
    Node node = read_yaml(text, "t.yaml", problems);
    problems.check();
    return node;
}

TEST(Node, DescribesItselfForMessages) {
    const std::pair<const char*, const char*> table[] = {
        {"~", "null"},
        {"true", "true"},
        {"5", "the number 5"},
        {"0x10", "the number 0x10"},
        {"1e-3", "the number 1e-3"},
        {"'a \"b\"'", "the string \"a \\\"b\\\"\""},
        {"\"\"", "the string \"\""},
        {"[]", "an empty list"},
        {"[1, 2]", "a list of 2"},
        {"{}", "an empty map"},
        {"{a: 1}", "a map of 1"},
    };
    for (const auto& [text, expected] : table) EXPECT_EQ(yaml(text).describe(), expected) << text;
    EXPECT_EQ(Node(Node::Value(0.1)).describe(), "the number 0.1");
    EXPECT_EQ(Node::string(std::string(59, 'x') + "文字").describe(),
              "the string \"" + std::string(59, 'x') + "…\"");
}

TEST(Node, TypesPlainScalars) {
    const char* const integers[] = {"0", "-7", "+7", "0x1f", "0o17", "-9223372036854775808"};
    const char* const floats[] = {
        "1.", ".5", "-1.5", "1e3", "1E+3", ".inf", "-inf", "nan", "99999999999999999999"};
    const char* const strings[] = {"007",        "1_000",  "1e",    "0x",       "0xg",
                                   "+",          ".",      "1.2.3", "1:30",     "yes",
                                   "2026-01-01", "-0x1",   "1e999", "infinity", "12a",
                                   "\"1\"",      "'true'", "'~'",   "!!str 5"};
    for (const char* text : integers) EXPECT_TRUE(yaml(text).is_int()) << text;
    for (const char* text : floats) EXPECT_TRUE(yaml(text).is_float()) << text;
    for (const char* text : strings) EXPECT_TRUE(yaml(text).is_string()) << text;
    EXPECT_EQ(yaml("0o17").as_int(), 15);
    EXPECT_EQ(yaml("-9223372036854775808").as_int(), std::numeric_limits<int64_t>::min());
    EXPECT_TRUE(std::isnan(yaml("nan").as_float()));
}

TEST(Node, KnowsItsPlace) {
    const Node root = yaml("a: 1\nb:\n  - x\n  - {k: 模型, l: 2}\n");
    EXPECT_EQ(root.place.str(), "t.yaml:1:1");
    EXPECT_EQ(root.find("a")->place.str(), "t.yaml:1:4");
    const Node& second = root.find("b")->items()[1];
    EXPECT_EQ(second.members()[0].place.str(), "t.yaml:4:6");
    EXPECT_EQ(second.find("l")->place.str(), "t.yaml:4:16") << "characters, not bytes";
    EXPECT_EQ(Place().str(), "");
}

TEST(Node, MergesMapsWithoutOverwriting) {
    const Node root = yaml(
        "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\n"
        "one: {<<: *b, y: 9}\ntwo: {y: 9, <<: [*b, *m]}\nthree: {\"<<\": 1}\n");
    EXPECT_EQ(root.find("one")->flow(), "{\"y\": 9, x: 1}");
    EXPECT_EQ(root.find("two")->flow(), "{\"y\": 9, x: 1, z: 4}");
    EXPECT_EQ(root.find("three")->flow(), "{\"<<\": 1}");
}

TEST(Node, AliasesAreCopies) {
    Node root = yaml("a: &a [1]\nb: *a\n");
    root.find("a")->items().clear();
    EXPECT_EQ(root.flow(), "{a: [], b: [1]}");
}

TEST(Error, NumbersKeepAllTheirDigits) {
    EXPECT_EQ(concat(0.1, " ", 1e-3, " ", 1e20, " ", 1.0, " ", 1.0 / 3),
              "0.1 0.001 1e+20 1 0.3333333333333333");
    EXPECT_EQ(concat(true, ' ', int64_t(-3), " ", size_t(4)), "true -3 4");
}

TEST(Error, ProblemsAreSortedAndNotRepeated) {
    const auto file = std::make_shared<const std::string>("a.yaml");
    Problems problems;
    problems.add({file, 3, 1}, "third");
    problems.add({file, 1, 9}, "second");
    problems.add({}, "none");
    problems.add({file, 1, 2}, "first");
    problems.add({file, 1, 9}, "second");
    try {
        problems.check();
        FAIL();
    } catch (const ConfigError& error) {
        EXPECT_STREQ(error.what(),
                     "none\na.yaml:1:2: first\na.yaml:1:9: second\na.yaml:3:1: third");
        EXPECT_EQ(error.problems().size(), 4u);
    }
}

TEST(Error, NearestName) {
    const std::vector<std::string> known = {"betas", "eps", "batch_size", "weight_decay", "train"};
    EXPECT_EQ(nearest_name("beta", known), "betas");
    EXPECT_EQ(nearest_name("batchSize", known), "batch_size");
    EXPECT_EQ(nearest_name("trian", known), "train");
    EXPECT_EQ(nearest_name("weight-decay", known), "weight_decay");
    EXPECT_EQ(nearest_name("momentum", known), "");
    EXPECT_EQ(nearest_name("", known), "");
    EXPECT_EQ(nearest_name("x", {"y"}), "");
}

}  // namespace
}  // namespace ailab
