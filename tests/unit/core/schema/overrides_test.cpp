#include <gtest/gtest.h>

#include "config/formats.hpp"
#include "config/overrides.hpp"
#include "config_case.hpp"

namespace ailab {
namespace {

struct Override {
    const char* name;
    std::vector<std::string> texts;
    std::string result;
};

void PrintTo(const Override& o, std::ostream* out) {
    *out << o.name;
}

class Overrides : public testing::TestWithParam<Override> {};

TEST_P(Overrides, ChangeTheTree) {
    Node root = Node::map();
    Node pair = Node::list({Node::string("train"), Node(Node::Value(int64_t(1)))});
    root.set("workflow", Node::list({pair}));
    root.set("seed", Node(Node::Value(int64_t(1))));
    root.set("dist", Node());
    Problems problems;
    int number = 0;
    for (const std::string& text : GetParam().texts) apply_override(root, text, ++number, problems);
    EXPECT_TRUE(problems.empty()) << problems.list()[0].text;
    EXPECT_EQ(root.flow(), GetParam().result);
}

const Override overrides[] = {
    {"scalar", {"seed=2"}, "{workflow: [[train, 1]], seed: 2, dist: null}"},
    {"entry_of_a_list", {"workflow.0.1=2"}, "{workflow: [[train, 2]], seed: 1, dist: null}"},
    {"whole_entry", {"workflow.0=[val, 3]"}, "{workflow: [[val, 3]], seed: 1, dist: null}"},
    {"new_key",
     {"hooks.logger.interval=5"},
     "{workflow: [[train, 1]], seed: 1, dist: null, hooks: {logger: {interval: 5}}}"},
    {"through_null",
     {"dist.backend=gloo"},
     "{workflow: [[train, 1]], seed: 1, dist: {backend: gloo}}"},
    {"map_as_value",
     {"dist={backend: gloo, timeout: 1e2}"},
     "{workflow: [[train, 1]], seed: 1, dist: {backend: gloo, timeout: 100.0}}"},
    {"empty_value", {"seed="}, "{workflow: [[train, 1]], seed: null, dist: null}"},
    {"equals_in_value", {"seed=a=b"}, "{workflow: [[train, 1]], seed: a=b, dist: null}"},
    {"quoted_value", {"seed=\"1\""}, "{workflow: [[train, 1]], seed: \"1\", dist: null}"},
    {"the_last_wins", {"seed=2", "seed=3"}, "{workflow: [[train, 1]], seed: 3, dist: null}"},
    {"one_after_the_other",
     {"dist={a: 1}", "dist.a=2"},
     "{workflow: [[train, 1]], seed: 1, dist: {a: 2}}"},
};
INSTANTIATE_TEST_SUITE_P(Config, Overrides, testing::ValuesIn(overrides),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(OverriddenConfig, NamesKeysThatTheFileDoesNotGive) {
    const RunConfig config =
        parse(least, {"seed=7", "runtime.threads=2", "data.train_dataloader.batch_size=8",
                      "hooks.log.type=LoggerHook", "hooks.log.interval=3",
                      "resume_from=", "work_dir=${env:AILAB_TEST_UNSET,/tmp/x}"});
    EXPECT_EQ(config.seed, 7u);
    EXPECT_EQ(config.runtime.threads, 2);
    EXPECT_EQ(config.data.train_dataloader.batch_size, 8);
    EXPECT_EQ(config.work_dir, "/tmp/x");
    ASSERT_EQ(config.hooks.size(), 1u);
    EXPECT_EQ(config.hooks[0].spec.type(), "LoggerHook");
}

TEST(OverriddenConfig, TheCommandLineIsThePlace) {
    const RunConfig config = parse(least, {"seed=7"});
    EXPECT_EQ(config.source.find("seed")->place.str(), "command line, seed=7");
    EXPECT_EQ(place_of(config.source, "data.train.root").str(), "c.yaml:2:38");
    EXPECT_EQ(place_of(config.source, "data.train.nothing").str(), "c.yaml:2:15");
}

}  // namespace
}  // namespace ailab
