#include "config/formats.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "ailab/error.hpp"
#include "config/utf8.hpp"
#include "config/yaml_reader.hpp"

namespace ailab {
namespace {

bool same(const Node& a, const Node& b) {
    if (a.value.index() != b.value.index()) return false;
    if (a.is_list()) {
        if (a.items().size() != b.items().size()) return false;
        for (size_t i = 0; i < a.items().size(); ++i)
            if (!same(a.items()[i], b.items()[i])) return false;
        return true;
    }
    if (a.is_map()) {
        if (a.members().size() != b.members().size()) return false;
        for (size_t i = 0; i < a.members().size(); ++i)
            if (a.members()[i].key != b.members()[i].key ||
                !same(a.members()[i].value, b.members()[i].value))
                return false;
        return true;
    }
    if (a.is_float() && std::isnan(a.as_float())) return std::isnan(b.as_float());
    return to_json(a) == to_json(b) && a.flow() == b.flow();
}

Node reread(const std::string& yaml) {
    Problems problems;
    Node node = read_yaml(yaml, "t.yaml", problems);
    problems.check();
    return node;
}

const std::vector<std::string> awkward = {"",
                                          " ",
                                          "a b",
                                          "a: b",
                                          "a #b",
                                          "#a",
                                          "- a",
                                          "-",
                                          "?",
                                          "null",
                                          "~",
                                          "true",
                                          "yes",
                                          "no",
                                          "y",
                                          "1",
                                          "1.0",
                                          "1e5",
                                          ".5",
                                          ".inf",
                                          "nan",
                                          "0x1",
                                          "007",
                                          "1_0",
                                          "2026-01-01",
                                          "1:30",
                                          "<<",
                                          "=",
                                          "*a",
                                          "&a",
                                          "!a",
                                          "|",
                                          ">",
                                          "%a",
                                          "@a",
                                          "`a",
                                          "\"a\"",
                                          "'a'",
                                          "a'b",
                                          "{a}",
                                          "[a]",
                                          "a,b",
                                          "a\nb",
                                          "a\n",
                                          "\n",
                                          "\ta",
                                          "a\\b",
                                          "C:\\x",
                                          "模型",
                                          "a\x01",
                                          "\x7f",
                                          "${x}",
                                          "$${x}",
                                          "env://",
                                          "a:",
                                          ":a",
                                          "...",
                                          "---",
                                          "--- a",
                                          "\xEF\xBB\xBF"
                                          "a",
                                          "a\r\nb",
                                          "e5",
                                          "_1"};

TEST(Yaml, EveryStringReadsBackTheSame) {
    for (const std::string& text : awkward) {
        Node node = Node::map();
        node.set("value", Node::string(text));
        node.set("list", Node::list({Node::string(text), Node::string(text)}));
        if (!invisible_character(text)) node.set(text, Node::map());  // no key may have one
        if (text == "value" || text == "list") continue;
        const std::string yaml = to_yaml(node);
        EXPECT_TRUE(same(reread(yaml), node)) << yaml;
        EXPECT_TRUE(same(reread(node.flow()), node)) << node.flow();
    }
}

TEST(Yaml, EveryNumberReadsBackTheSame) {
    const double floats[] = {0.0,
                             -0.0,
                             1.0,
                             0.1,
                             1.0 / 3,
                             1e-3,
                             1e5,
                             1e20,
                             1e300,
                             5e-324,
                             1e-45,
                             123456789.0,
                             std::numeric_limits<double>::max(),
                             std::numeric_limits<double>::infinity(),
                             -std::numeric_limits<double>::infinity(),
                             std::numeric_limits<double>::quiet_NaN()};
    for (const double value : floats) {
        const Node node = Node::list({Node(Node::Value(value))});
        EXPECT_TRUE(same(reread(to_yaml(node)), node)) << to_yaml(node);
    }
    for (const int64_t value : {int64_t(0), int64_t(-1), std::numeric_limits<int64_t>::min(),
                                std::numeric_limits<int64_t>::max()}) {
        const Node node = Node::list({Node(Node::Value(value))});
        EXPECT_TRUE(same(reread(to_yaml(node)), node)) << to_yaml(node);
    }
}

Node random_tree(std::mt19937& random, int depth) {
    const auto pick = [&](size_t n) {
        return std::uniform_int_distribution<size_t>(0, n - 1)(random);
    };
    switch (pick(depth > 0 ? 7 : 5)) {
        case 0:
            return Node();
        case 1:
            return Node(Node::Value(pick(2) == 1));
        case 2:
            return Node(Node::Value(int64_t(random()) - 2'000'000'000));
        case 3:
            return Node(Node::Value(std::ldexp(double(random()), int(pick(200)) - 100)));
        case 4:
            return Node::string(awkward[pick(awkward.size())]);
        case 5: {
            Node list = Node::list();
            for (size_t i = pick(5); i > 0; --i)
                list.items().push_back(random_tree(random, depth - 1));
            return list;
        }
        default: {
            Node map = Node::map();
            for (size_t i = pick(5); i > 0; --i) {
                const std::string& key = awkward[pick(awkward.size())];
                if (!invisible_character(key)) map.set(key, random_tree(random, depth - 1));
            }
            return map;
        }
    }
}

TEST(Yaml, EveryTreeReadsBackTheSame) {
    std::mt19937 random(1);
    for (int i = 0; i < 2000; ++i) {
        const Node tree = random_tree(random, 5);
        ASSERT_TRUE(same(reread(to_yaml(tree)), tree)) << to_yaml(tree);
        ASSERT_TRUE(same(reread(tree.flow()), tree)) << tree.flow();
    }
}

TEST(Yaml, LooksLikeWhatPeopleWrite) {
    const Node tree = reread(
        "model: {type: TinyModel, sizes: [3, 3], empty: {}}\n"
        "hooks: {list: [{a: 1, b: [x, {c: 2}]}, 5]}\nnote: 'yes'\n");
    EXPECT_EQ(to_yaml(tree),
              "model:\n"
              "  type: TinyModel\n"
              "  sizes: [3, 3]\n"
              "  empty: {}\n"
              "hooks:\n"
              "  list:\n"
              "    - a: 1\n"
              "      b:\n"
              "        - x\n"
              "        - c: 2\n"
              "    - 5\n"
              "note: \"yes\"\n");
}

TEST(Json, WritesAndReads) {
    const Node tree = reread("{a: [1, 2.5, 1.0, true, null, \"x\\n\"], b: {c: .inf}}");
    const std::string text = to_json(tree);
    EXPECT_EQ(text, R"({"a":[1,2.5,1.0,true,null,"x\n"],"b":{"c":null}})");
    const Node back = from_json(text, "t.json");
    EXPECT_EQ(back.flow(), R"({a: [1, 2.5, 1.0, true, null, "x\n"], b: {c: null}})");
    EXPECT_TRUE(back.find("a")->items()[0].is_int());
    EXPECT_EQ(back.place.str(), "t.json");
    EXPECT_EQ(to_json(reread("{a: [1]}"), 2), "{\n  \"a\": [\n    1\n  ]\n}");
}

TEST(Json, KeepsDigitsAndBigIntegers) {
    const Node list = Node::list({Node(Node::Value(1.0 / 3)),
                                  Node(Node::Value(std::numeric_limits<int64_t>::max())),
                                  Node(Node::Value(std::numeric_limits<int64_t>::min()))});
    EXPECT_TRUE(same(from_json(to_json(list), "t.json"), list));
}

TEST(Json, RefusesWhatIsNone) {
    for (const char* text : {"", "{", "[1,]", "{a: 1}", "nul", "1 2", "18446744073709551615"}) {
        try {
            from_json(text, "t.json");
            ADD_FAILURE() << text;
        } catch (const Error& error) {
            EXPECT_EQ(std::string(error.what()).find("t.json: "), 0u) << error.what();
        }
    }
    EXPECT_THROW(from_json(std::string(100000, '['), "t.json"), Error);
    EXPECT_THROW(from_json(std::string(1000, '[') + std::string(1000, ']'), "t.json"), Error);
}

}  // namespace
}  // namespace ailab
