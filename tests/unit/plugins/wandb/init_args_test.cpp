#include "wandb/init_args.hpp"

#include <gtest/gtest.h>

#include "config/formats.hpp"

namespace ailab::wandb {
namespace {

InitArgs read(const std::string& text, Problems& problems) {
    InitArgs args;
    OptionType<InitArgs>::read(from_json(text, "test"), args, {}, "init_args", problems);
    return args;
}

TEST(InitArgs, TakesTheArgumentsOfWandbInit) {
    Problems problems;
    const InitArgs args = read(R"({"project": "p", "entity": "e", "name": "n", "group": "g",
        "job_type": "train", "tags": ["a", "b"], "notes": "x", "mode": "offline", "id": "abc",
        "resume": "allow", "dir": "/tmp", "reinit": true, "settings": {"silent": true}})",
                               problems);
    EXPECT_TRUE(problems.empty());
    EXPECT_EQ(args.project, "p");
    EXPECT_EQ(args.entity, "e");
    EXPECT_EQ(args.name, "n");
    EXPECT_EQ(args.group, "g");
    EXPECT_EQ(args.job_type, "train");
    EXPECT_EQ(args.tags, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(args.notes, "x");
    EXPECT_EQ(args.mode, "offline");
    EXPECT_EQ(args.id, "abc");
    EXPECT_EQ(args.resume, "allow");
    EXPECT_EQ(args.dir.value, "/tmp");
    EXPECT_EQ(to_json(args.ignored), R"({"reinit":true,"settings":{"silent":true}})");
}

TEST(InitArgs, IsWrittenAsItWasRead) {
    for (const std::string text :
         {R"({})",
          R"({"project":"p","tags":["a"],"mode":"disabled","settings":{"silent":true}})"}) {
        Problems problems;
        EXPECT_EQ(to_json(OptionType<InitArgs>::write(read(text, problems))), text);
    }
}

TEST(InitArgs, RefusesWhatTheClientWould) {
    const std::vector<std::pair<std::string, std::string>> table = {
        {R"([])", "init_args"},
        {R"({"projekt": "p"})",
         R"(wandb.init has no argument "projekt"; did you mean "project"? init_args takes: project, )"
         "entity, name, group, job_type, tags, notes, mode, id, resume, dir."},
        {R"({"setings": {}})", R"(did you mean "settings"?)"},
        {R"({"mode": "of"})", "init_args.mode"},
        {R"({"mode": "shared"})", "online, offline, disabled"},
        {R"({"resume": "perhaps"})", "allow, must, never, auto"},
        {R"({"tags": "a"})", "init_args.tags"},
        {R"({"tags": [""]})", "a tag takes 1 to 64 characters"},
        {R"({"id": "a/b"})", "id may have none of the characters"},
        {R"({"id": ""})", "id takes 1 to 128 characters, got 0"},
        {R"({"project": "a/b"})", "project may have none of the characters"},
    };
    for (const auto& [text, complaint] : table) {
        Problems problems;
        read(text, problems);
        ASSERT_EQ(problems.size(), 1u) << text;
        EXPECT_NE(problems.list()[0].text.find(complaint), std::string::npos)
            << problems.list()[0].text;
    }
}

}  // namespace
}  // namespace ailab::wandb
