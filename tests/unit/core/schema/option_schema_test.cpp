// What an option's C++ type says of its values: in words, and as JSON Schema.
#include <gtest/gtest.h>

#include <limits>

#include "ailab/module_spec.hpp"
#include "config/formats.hpp"
#include "config/json_schema.hpp"
#include "schema/run_config.hpp"

namespace ailab {

/// As plugins wrote their types before there was schema().
enum class Direction { up, down };
template <>
struct OptionType<Direction> {
    static std::string name() { return "up or down"; }
    static void read(const Node& node, Direction& field, const Bounds&, const std::string& name,
                     Problems& problems) {
        if (node.is_string() && (node.as_string() == "up" || node.as_string() == "down"))
            field = node.as_string() == "up" ? Direction::up : Direction::down;
        else
            detail::wrong_type(node, name, OptionType<Direction>::name(), problems);
    }
    static Node write(const Direction& field) {
        return Node::string(field == Direction::up ? "up" : "down");
    }
};

namespace {

using Kind = OptionSchema::Kind;

template <class T>
OptionSchema schema_of(Bounds bounds = {}) {
    T field{};
    return describe_options([&](OptionVisitor& v) { v.option("x", field, "doc", bounds); })
        .at(0)
        .schema;
}

template <class T>
std::string complaint_of(const std::string& json) {
    T field{};
    Problems problems;
    OptionType<T>::read(from_json(json, "test"), field, {}, "x", problems);
    return problems.empty() ? "" : problems.list()[0].text;
}

template <class T>
std::string as_json(Bounds bounds = {}) {
    return to_json(json_schema(schema_of<T>(std::move(bounds))));
}

TEST(OptionSchema, NamesTheTypeForDocumentation) {
    EXPECT_EQ(schema_of<bool>().str(), "bool");
    EXPECT_EQ(schema_of<int>().str(), "integer");
    EXPECT_EQ(schema_of<double>().str(), "number");
    EXPECT_EQ(schema_of<Node>().str(), "anything");
    EXPECT_EQ(schema_of<std::optional<std::string>>().str(), "string or null");
    EXPECT_EQ(schema_of<std::vector<std::vector<double>>>().str(), "list of list of number");
    EXPECT_EQ(schema_of<std::optional<std::vector<int64_t>>>().str(), "list of integer or null");
    EXPECT_EQ((schema_of<std::map<std::string, ModuleSpec<Metric>>>().str()),
              "map of module (metric)");
    EXPECT_EQ(schema_of<std::vector<Direction>>().str(), "list of up or down");
    const OptionSchema number = OptionSchema::of(Kind::number);
    EXPECT_EQ(OptionSchema::either_of({number, OptionSchema::list_of(number),
                                       OptionSchema::of(Kind::string, one_of({"random", "none"}))})
                  .str(),
              "number or list of number or \"random\" or \"none\"");
    EXPECT_EQ(OptionSchema::tuple_of({number, OptionSchema::of(Kind::string)}).str(),
              "[number, string]");
    EXPECT_EQ(OptionSchema::of(Kind::string).called("regular expression").or_null().str(),
              "regular expression or null");
}

TEST(OptionSchema, IsASentenceOfAnError) {
    EXPECT_EQ(complaint_of<bool>("3"), "x must be true or false, got the number 3.");
    EXPECT_EQ(complaint_of<bool>("\"on\""),
              "x must be true or false, got the string \"on\". Write true.");
    EXPECT_EQ(complaint_of<int64_t>("\"3\""),
              "x must be an integer, got the string \"3\". Leave the quotes out.");
    EXPECT_EQ(complaint_of<double>("null"),
              "x must be a number, got null. Give a value, or leave the key out for the default.");
    EXPECT_EQ(complaint_of<std::vector<std::string>>("\"a\""),
              "x must be a list of strings, got the string \"a\". Write [a].");
    EXPECT_EQ(complaint_of<std::vector<std::vector<double>>>("3"),
              "x must be a list of lists of numbers, got the number 3.");
    EXPECT_EQ((complaint_of<std::map<std::string, std::vector<bool>>>("3")),
              "x must be a map of lists of true and false, got the number 3.");
    EXPECT_EQ(complaint_of<std::vector<ModuleSpec<Transform>>>("3"),
              "x must be a list of transform modules, got the number 3.");
    EXPECT_EQ(
        complaint_of<ModuleSpec<Loss>>("\"MSELoss\""),
        "x must be a loss module, {type: …}, got the string \"MSELoss\". Write {type: MSELoss}.");
    EXPECT_EQ(complaint_of<Direction>("3"), "x must be up or down, got the number 3.");
    const OptionSchema number = OptionSchema::of(Kind::number);
    EXPECT_EQ(OptionSchema::either_of({number, OptionSchema::list_of(number),
                                       OptionSchema::of(Kind::string, one_of({"random"}))})
                  .phrase(),
              "a number or a list of numbers or \"random\"");
    EXPECT_EQ(OptionSchema::section_of({}).phrase(), "a map of keys");
}

TEST(OptionSchema, HasTheBoundsAtEachNumberAndString) {
    const OptionSchema list = schema_of<std::optional<std::vector<double>>>(between(0, 1));
    EXPECT_EQ(list.bounds.str(), "");
    EXPECT_EQ(list.parts.at(0).bounds.str(), "between 0 and 1");
    const OptionSchema own = OptionSchema::either_of(
        {OptionSchema::of(Kind::integer), OptionSchema::of(Kind::string, one_of({"HIGH"}))});
    const OptionSchema bounded = own.bounded(between(0, 100));
    EXPECT_EQ(bounded.parts.at(0).bounds.str(), "between 0 and 100");
    EXPECT_EQ(bounded.parts.at(1).bounds.str(), "one of HIGH");
}

/// Where text with a variable may stand for it, the type is string too.
TEST(OptionSchema, IsJsonSchema) {
    const std::string variable = R"("pattern":"\\$\\{")";
    // inf is a number here, and text in YAML 1.2.
    const std::string number = R"("pattern":"\\$\\{|^[-+]?inf$|^nan$")";
    EXPECT_EQ(as_json<bool>(), "{\"type\":[\"boolean\",\"string\"]," + variable + "}");
    EXPECT_EQ(as_json<int64_t>(between(1, 1e12)), "{\"type\":[\"integer\",\"string\"]," + variable +
                                                      ",\"minimum\":1,\"maximum\":1000000000000}");
    EXPECT_EQ(as_json<double>({.min = 0, .max = 0.5, .exclusive_min = true, .exclusive_max = true}),
              "{\"type\":[\"number\",\"string\"]," + number +
                  ",\"exclusiveMinimum\":0,\"exclusiveMaximum\":0.5}");
    EXPECT_EQ(as_json<double>({.min = 0, .max = std::numeric_limits<double>::infinity()}),
              "{\"type\":[\"number\",\"string\"]," + number + ",\"minimum\":0}");
    EXPECT_EQ(as_json<std::optional<std::string>>(),
              R"({"type":["string","number","boolean","null"]})");
    EXPECT_EQ(as_json<std::string>(one_of({"mean", "16"})),
              R"({"anyOf":[{"enum":["mean","16",16]},{"type":"string",)" + variable + "}]}");
    EXPECT_EQ(as_json<int>(one_of({"1", "2"})),
              R"({"anyOf":[{"enum":[1,2]},{"type":"string",)" + variable + "}]}");
    EXPECT_EQ(as_json<std::vector<Node>>(), R"({"type":"array","items":{}})");
    EXPECT_EQ(
        (as_json<std::map<std::string, ModuleSpec<Loss>>>()),
        R"({"type":"object","additionalProperties":{"anyOf":[{"$ref":"#/definitions/loss"}]}})");
    EXPECT_EQ(as_json<Direction>(), "{}");
    EXPECT_EQ(to_json(json_schema(OptionSchema::tuple_of({OptionSchema(), OptionSchema()}))),
              R"({"type":"array","items":[{},{}],"minItems":2,"maxItems":2})");
}

struct OwnKeys {
    int64_t depth = 2;
    std::string path;
    ModuleSpec<Loss> loss;
    std::map<std::string, Node> others;
    void visit(OptionVisitor& v) {
        v.option("depth", depth, "how deep", at_least(1));
        v.required("path", path, "where");
        v.option("loss", loss, "which");
        v.rest(others, "all else");
    }
};

TEST(OptionSchema, OfAnInfiniteDefaultIsJsonAndTakesThatDefault) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    double limit = infinity;
    std::vector<double> range = {infinity, 1};
    const auto fields = describe_options([&](OptionVisitor& v) {
        v.option("limit", limit, "doc");
        v.option("range", range, "doc");
    });
    for (const auto& field : fields) {
        const Node schema =
            documented(json_schema(field), "number", field.doc, field.default_value);
        EXPECT_EQ(schema.find("default"), nullptr) << "JSON has no form for it: " << field.name;
    }
    // The run's own record of its options is a valid input.
    Problems problems;
    OptionType<double>::read(Node(infinity), limit, {}, "limit", problems);
    EXPECT_TRUE(problems.empty());
    double other = 1;
    OptionType<double>::read(Node(infinity), other, {}, "limit", problems);
    EXPECT_FALSE(problems.empty()) << "of one that has another default it is refused";
}

TEST(OptionSchema, OfASectionHasItsKeysAsJsonSchemaToo) {
    OwnKeys keys;
    const OptionSchema section =
        OptionSchema::section_of(describe_options([&](OptionVisitor& v) { keys.visit(v); }));
    EXPECT_EQ(section.str(), "section");
    const Node out = json_schema(section);
    const Node& properties = *out.find("properties");
    EXPECT_EQ(properties.members().size(), 3u);
    EXPECT_EQ(properties.find("depth")->find("default")->as_int(), 2);
    EXPECT_EQ(properties.find("depth")->find("title")->as_string(), "integer, at least 1");
    EXPECT_EQ(properties.find("depth")->find("description")->as_string(), "how deep");
    EXPECT_EQ(properties.find("path")->find("default"), nullptr);
    EXPECT_EQ(properties.find("loss")->find("anyOf")->flow(),
              R"([{"$ref": "#/definitions/loss"}, {type: "null"}])");
    EXPECT_EQ(out.find("required")->flow(), "[path]");
    EXPECT_EQ(out.find("additionalProperties")->flow(), "{}");
}

/// Has options more for some values of others, and one that is not to be changed by a look.
struct Branching {
    std::string form = "flat";
    bool twice = false;
    int64_t depth = 1, times = 2;
    void visit(OptionVisitor& v) {
        v.option("form", form, "flat or deep", one_of({"flat", "deep"}));
        if (form == "deep") v.option("depth", depth, "of a deep one");
        if (twice) v.option("times", times, "how often");
        v.option("twice", twice, "more than once");
    }
};

TEST(DescribeOptions, AlsoListsThoseOfOtherValuesAndChangesNothing) {
    Branching options;
    std::vector<std::string> names;
    for (const OptionField& field : describe_options([&](OptionVisitor& v) { options.visit(v); }))
        names.push_back(field.name);
    EXPECT_EQ(names, (std::vector<std::string>{"form", "twice", "depth", "times"}));
    EXPECT_EQ(options.form, "flat");
    EXPECT_FALSE(options.twice);
}

TEST(RunConfigSchema, IsASectionOfSections) {
    const OptionSchema schema = run_config_schema();
    ASSERT_EQ(schema.kind, Kind::section);
    const auto key = [](const OptionSchema& section, const std::string& name) {
        for (const OptionField& field : section.fields)
            if (field.name == name) return field;
        ADD_FAILURE() << "no key " << name;
        return OptionField();
    };
    EXPECT_TRUE(key(schema, "model").required);
    EXPECT_EQ(key(schema, "model").schema.module_kind, "model");
    EXPECT_EQ(key(schema, "optimizer").schema.str(),
              "module (optimizer) or map of module (optimizer)");
    EXPECT_EQ(key(schema, "workflow").schema.str(), "list of [phase, epochs]");
    EXPECT_EQ(key(schema, "norm_eval").schema.str(), "list of regular expressions");
    const OptionSchema backend = key(key(schema, "dist").schema, "backend").schema;
    EXPECT_EQ(backend.str(), "auto or the name of a backend");
    EXPECT_EQ(to_json(*json_schema(backend).find("anyOf")),
              R"([{"enum":["auto"]},{"type":"string","pattern":"\\$\\{"},)"
              R"({"$ref":"#/definitions/names.backend"}])");
    const OptionSchema loader = key(key(schema, "data").schema, "val_dataloader").schema;
    EXPECT_EQ(key(loader, "batch_size").schema.bounds.str(), "between 1 and 1000000000");
}

}  // namespace
}  // namespace ailab
