#include <gtest/gtest.h>

#include "config/formats.hpp"
#include "config/options_reader.hpp"
#include "config/yaml_reader.hpp"
#include "config_case.hpp"
#include "fake_modules.hpp"
#include "schema/common_keys.hpp"

namespace ailab {
namespace {

ModuleConfig read(const std::string& kind, const std::string& yaml) {
    Problems problems;
    ModuleConfig config = read_module(kind, read_yaml(yaml, "m.yaml", problems), "it", problems);
    problems.check();
    return config;
}

TEST(Module, IsMadeWithItsOptions) {
    const auto made = read("model", "{type: TinyModel, hidden: 7, sizes: [1]}").create();
    const auto& model = *std::static_pointer_cast<fake::TinyModel>(made);
    EXPECT_EQ(model.options.hidden, 7);
    EXPECT_EQ(model.options.sizes, std::vector<int64_t>{1});
    EXPECT_EQ(model.options.dropout, 0.1);
}

TEST(Module, CanBeMadeMoreThanOnce) {
    const ModuleConfig config = read("model", "{type: TinyModel, note: text}");
    for (int i = 0; i < 2; ++i) {
        const auto made = std::static_pointer_cast<fake::TinyModel>(config.create());
        EXPECT_EQ(made->options.note, "text");
    }
}

TEST(Module, AnErrorInItsConstructorNamesItAndItsPlace) {
    try {
        read("model", "{type: PickyModel}").create();
        FAIL();
    } catch (const ConfigError&) {
        FAIL() << "a failure of the run is no mistake in the configuration";
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(),
                     "m.yaml:1:1: model \"PickyModel\" of libfake.so (fake.cpp:1): no luck");
    }
}

TEST(Module, AConfigErrorInItsConstructorStaysOne) {
    try {
        read("model", "{type: PickyModel, how: config}").create();
        FAIL();
    } catch (const ConfigError& error) {
        EXPECT_STREQ(error.what(),
                     "m.yaml:1:1: model \"PickyModel\" of libfake.so (fake.cpp:1): "
                     "hidden must divide by heads.");
        EXPECT_EQ(error.problems().at(0).place.str(), "m.yaml:1:1");
    }
}

TEST(Module, ThrowingANumberIsReportedToo) {
    try {
        read("model", "{type: PickyModel, how: number}").create();
        FAIL();
    } catch (const Error& error) {
        EXPECT_STREQ(
            error.what(),
            "m.yaml:1:1: model \"PickyModel\" of libfake.so (fake.cpp:1): it threw something "
            "that is no std::exception. Throw ailab::Error.");
    }
}

TEST(Module, PretrainedIsAKeyOfTheRunsModelAlone) {
    try {
        read("model", "{type: TinyModel, pretrained: a.pth}");
        FAIL();
    } catch (const ConfigError& error) {
        EXPECT_STREQ(error.what(),
                     "m.yaml:1:31: model \"TinyModel\" is a part of another module, and pretrained "
                     "is a key of the run's model alone. Give it there; its mapping can put the "
                     "file's names below a part's.");
    }
}

TEST(Module, AnEmptyOneCannotBeMade) {
    EXPECT_THROW(ModuleConfig().create(), Error);
}

TEST(Module, WritesAllItsDefaults) {
    EXPECT_EQ(
        read("hook", "{type: MetricHook, top1: {type: Accuracy}, priority: LOW}").write().flow(),
        "{type: MetricHook, top1: {type: Accuracy, topk: 1}, enable: true, priority: 70}");
    EXPECT_EQ(read("hook", "{type: LoggerHook}").write().flow(),
              "{type: LoggerHook, interval: 10, log_dir: null, log_items: {}, enable: true}");
}

TEST(Module, WhatItWritesReadsBackTheSame) {
    for (const char* yaml :
         {"{type: MetricHook, top1: {type: Accuracy, phases: [val], mapping: {a: b}}}",
          "{type: LrSchedulerHook, scheduler: {type: CosineAnnealingLR, T_max: 3}, enable: "
          "false}"}) {
        const Node written = read("hook", yaml).write();
        EXPECT_EQ(read("hook", to_yaml(written)).write().flow(), written.flow());
    }
}

TEST(DescribeOptions, ListsWhatTheVisitorDoes) {
    OptionsOf<fake::TinyModel::Options> options;
    const std::vector<OptionField> docs = describe_options(options);
    ASSERT_EQ(docs.size(), 7u);
    EXPECT_EQ(docs[0].name, "hidden");
    EXPECT_EQ(docs[0].schema.str(), "integer");
    EXPECT_EQ(docs[0].doc, "width");
    EXPECT_EQ(docs[0].bounds.str(), "at least 1");
    EXPECT_EQ(docs[0].default_value.flow(), "128");
    EXPECT_FALSE(docs[0].required);
    EXPECT_EQ(docs[1].bounds.str(), "between 0 and 1");
    EXPECT_EQ(docs[2].bounds.str(), "one of relu, gelu");
    EXPECT_EQ(docs[3].schema.str(), "list of integer");
    EXPECT_EQ(docs[3].default_value.flow(), "[3, 3]");
}

TEST(DescribeOptions, RequiredAndRest) {
    OptionsOf<fake::ListData::Options> data;
    const std::vector<OptionField> docs = describe_options(data);
    EXPECT_TRUE(docs[0].required);
    EXPECT_TRUE(docs[0].default_value.is_null());
    EXPECT_EQ(docs[1].schema.str(), "integer or null");
    OptionsOf<fake::MetricHook::Options> hook;
    EXPECT_TRUE(describe_options(hook)[0].rest);
    EXPECT_EQ(describe_options(hook)[0].schema.str(), "map of module (metric)");
    EXPECT_EQ(describe_common_options("hook").at(2).name, "priority");
    EXPECT_TRUE(describe_common_options("optimizer").empty());
}

/// Has an option more for one value of another.
struct Conditional {
    std::string form = "flat";
    int64_t depth = 1;
    void visit(OptionVisitor& v) {
        v.option("form", form, "flat or deep", one_of({"flat", "deep"}));
        if (form == "deep") v.option("depth", depth, "of a deep one");
    }
};

TEST(ReadOptions, OfAValueThatHasAnOptionMoreThisIsKnown) {
    const struct {
        const char *yaml, *error;
        int64_t depth;
    } table[] = {
        {"{form: deep, depth: 3}", "", 3},
        {"{depth: 3, form: deep}", "", 3},
        {"{form: deep, height: 3}", "m.yaml:1:14: it has no key \"height\". It takes: form, depth.",
         1},
        {"{form: flat, depth: 3}", "m.yaml:1:14: it has no key \"depth\". It takes: form.", 1},
    };
    for (const auto& row : table) {
        Problems problems;
        Conditional options;
        read_options([&](OptionVisitor& v) { options.visit(v); },
                     read_yaml(row.yaml, "m.yaml", problems), {"it", "it", "key", {}, {}},
                     problems);
        std::string error;
        try {
            problems.check();
        } catch (const ConfigError& found) {
            error = found.what();
        }
        EXPECT_EQ(error, row.error) << row.yaml;
        EXPECT_EQ(options.depth, row.depth) << row.yaml;
    }
}

TEST(DescribeOptions, TheWholeConfiguration) {
    std::vector<std::string> names;
    for (const OptionField& doc : describe_run_config()) {
        names.push_back(doc.name);
        EXPECT_FALSE(doc.doc.empty()) << doc.name;
    }
    for (const char* name : {"seed", "model", "dist.backend", "data.train",
                             "data.val_dataloader.batch_size", "runtime.dtype", "hooks"})
        EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
}

TEST(Bounds, SayWhatTheyAccept) {
    EXPECT_EQ(Bounds().str(), "");
    EXPECT_EQ(at_least(1).str(), "at least 1");
    EXPECT_EQ(above(0.5).str(), "above 0.5");
    EXPECT_EQ(at_most(3).str(), "at most 3");
    EXPECT_EQ((Bounds{.min = 0, .max = 1, .exclusive_min = true}).str(), "above 0, at most 1");
    EXPECT_EQ((Bounds{.min = 0, .max = 1, .exclusive_max = true}).check(1),
              "must be at least 0, below 1, got 1");
    EXPECT_EQ(above(0).check(1), "");
    EXPECT_EQ(one_of({"a", "b"}).check(std::string("b")), "");
    EXPECT_EQ(one_of({"a", "b"}).check(std::string("")), "must be one of a, b, got \"\"");
}

}  // namespace
}  // namespace ailab
