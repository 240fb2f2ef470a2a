// Integer options of all built-in modules: each has a largest value, and a larger one is refused
// with its name, before the module computes with it.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "plugin/plugin_host.hpp"
#include "plugins/make_module.hpp"

namespace ailab {
namespace {

/// Any integer serves as these.
const std::set<std::string> without_bounds = {"ignore_index", "seed"};
/// A rule says which values it takes.
const std::set<std::string> with_rule = {"lenet5.image_size", "LeNet5.image_size"};

struct IntegerOption {
    std::string kind, module;
    OptionField field;

    std::string name() const { return module + "." + field.name; }
    bool is_exempt() const {
        return without_bounds.count(field.name) != 0 || with_rule.count(name()) != 0;
    }
};

std::vector<IntegerOption> integer_options() {
    std::vector<IntegerOption> options;
    PluginHost& host = PluginHost::instance();
    for (const ModuleEntry& listed : host.list("")) {
        if (listed.kind == "backend" || listed.kind == "device" || listed.kind == "image_decoder")
            continue;
        std::string complaint;
        const auto entry = host.find(listed.kind, listed.plugin + "/" + listed.name, complaint);
        if (!entry) continue;
        for (const OptionField& field : describe_options(*entry->node->make_options()))
            if (field.schema.str().find("integer") != std::string::npos)
                options.push_back({entry->kind, entry->name, field});
    }
    return options;
}

/// What reading says of the option with this value; other options that it needs are not given.
std::string complaint_of(const IntegerOption& option, const std::string& value) {
    const bool list = option.field.schema.kind == OptionSchema::Kind::list;
    const std::string json = concat("{\"type\": \"", option.module, "\", \"", option.field.name,
                                    "\": ", list ? "[" + value + "]" : value, "}");
    Problems problems;
    read_module(option.kind, from_json(json, "test"), option.kind, problems);
    const std::string start =
        concat(option.kind, ".", option.field.name, list ? "[0]" : "", " must be ");
    for (const ailab::Problem& problem : problems.list())
        if (problem.text.starts_with(start)) return problem.text.substr(start.size());
    return "";
}

TEST(IntegerOptions, SayTheirLargestValue) {
    const std::vector<IntegerOption> options = integer_options();
    EXPECT_GT(options.size(), 80u);
    for (const IntegerOption& option : options) {
        const Bounds& bounds = option.field.bounds;
        EXPECT_TRUE(std::isfinite(bounds.max.value_or(INFINITY)) || option.is_exempt())
            << option.name() << ": " << bounds.str();
    }
}

TEST(IntegerOptions, BeyondItAreRefusedByName) {
    for (const IntegerOption& option : integer_options()) {
        if (option.is_exempt()) continue;
        for (const char* value : {"4611686018427387904", "9223372036854775807", "1000000000000000"})
            EXPECT_EQ(complaint_of(option, value),
                      concat(option.field.bounds.str(), ", got ", value, "."))
                << option.name();
    }
}

struct Row {
    const char* json;
    const char* part;
};

/// Each option is within its bounds, and all together are not.
TEST(IntegerOptions, ThatTogetherAskForTooMuchAreNamed) {
    using test::contains;
    const Row rows[] = {
        {R"({"type": "Synthetic", "shape": [4398046511104]})", "shape[0] must be between 1 and"},
        {R"({"type": "Synthetic", "shape": [1000000, 1000000]})",
         "a sample of this shape has 1e+12 numbers"},
        {R"({"type": "Repeat", "dataset": {"type": "Synthetic"}, "times": 10000000000})",
         "10000000000 times 1000 samples are more than an epoch can have"},
    };
    for (const Row& row : rows) {
        const std::string text = test::error_of([&] { test::make<Dataset>(row.json); });
        EXPECT_TRUE(contains(text, row.part)) << text;
    }
}

}  // namespace
}  // namespace ailab
