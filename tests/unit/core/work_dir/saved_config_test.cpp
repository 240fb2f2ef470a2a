// What a checkpoint's configuration is compared with when a run goes on: values, not their
// spelling.
#include "work_dir/saved_config.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "config/expand.hpp"
#include "config/formats.hpp"
#include "config/yaml_reader.hpp"
#include "run/config_changes.hpp"
#include "schema/resolved.hpp"

namespace ailab {
namespace {

/// As it is read for a run: expanded, `written` kept.
Node resolve(const std::string& yaml) {
    Problems problems;
    Node source = read_yaml(yaml, "test", problems);
    problems.check();
    expand_variables(source, {}, problems);
    problems.check();
    Node resolved = source;
    keep_variables(resolved, source);
    return resolved;
}

struct ConfigCase {
    const char* before;
    const char* now;
    const char* told;      // "" for nothing
    const char* told_old;  // the same for a checkpoint of format 1; nullptr: as `told`
};

class SavedConfig : public testing::TestWithParam<ConfigCase> {
  protected:
    void SetUp() override {
        setenv("AILAB_TEST_N", "7", 1);
        setenv("AILAB_TEST_ROOT", "/data/one", 1);
        setenv("AILAB_TEST_KEY", "c0ffee", 1);
        setenv("HOME", "/home/me", 1);
    }
    static std::string told(const Node& facts, const Node& now) {
        std::string text;
        for (const ConfigChange& change :
             compare_configs(read_saved_config(facts, "manifest.json", now), now))
            text += concat(change.str(), change.refused ? "!" : "", change.moved ? "~" : "");
        return text;
    }
};

TEST_P(SavedConfig, IsComparedByItsValues) {
    Node facts = Node::map();
    save_config(resolve(GetParam().before), facts);
    facts = from_json(to_json(facts), "manifest.json");
    const std::string text = to_json(facts);
    EXPECT_EQ(text.find("c0ffee"), std::string::npos) << "no secret is written: " << text;
    Node old = Node::map();
    old.set("config", *facts.find("config"));

    // What the variables stand for now.
    setenv("AILAB_TEST_N", "8", 1);
    setenv("AILAB_TEST_ROOT", "/data/two", 1);
    setenv("AILAB_TEST_KEY", "decaf", 1);
    const Node now = resolve(GetParam().now);
    EXPECT_EQ(told(facts, now), GetParam().told);
    EXPECT_EQ(told(old, now), GetParam().told_old ? GetParam().told_old : GetParam().told);
}

INSTANTIATE_TEST_SUITE_P(
    Table, SavedConfig,
    testing::Values(
        // The same value, however it is written.
        ConfigCase{"data: {train: {root: '${HOME}/d'}}", "data: {train: {root: '${HOME}/d'}}", ""},
        ConfigCase{"data: {train: {root: '${HOME}/d'}}", "data: {train: {root: /home/me/d}}", ""},
        ConfigCase{"data: {train: {root: '~/d'}}", "data: {train: {root: /home/me/d}}", ""},
        ConfigCase{"data: {train: {name: '$${x}'}}", "data: {train: {name: '$${x}'}}", ""},
        ConfigCase{"seed: '${env:AILAB_NOT_SET,3}'", "seed: 3", ""},
        ConfigCase{"optimizer: {lr: '${env:AILAB_NOT_SET,0.1}'}",
                   "optimizer: {lr: '${env:AILAB_NOT_SET,0.1}'}", ""},
        ConfigCase{"data: {train: {mean: ['${env:AILAB_NOT_SET,0.5}', 1]}}",
                   "data: {train: {mean: [0.5, 1]}}", ""},
        ConfigCase{"workflow: [['train', '${env:AILAB_NOT_SET,2}']]", "workflow: [[train, 2]]", ""},
        // The same text, which stands for something else. Format 1 does not say for what.
        ConfigCase{"seed: '${env:AILAB_TEST_N}'", "seed: '${env:AILAB_TEST_N}'",
                   "seed was 7 and is 8!", ""},
        ConfigCase{"seed: '${env:AILAB_TEST_N}'", "seed: 7", "", "seed was 8 and is 7!"},
        ConfigCase{"optimizer: {lr: '${env:AILAB_TEST_N}'}",
                   "optimizer: {lr: '${env:AILAB_TEST_N}'}", "optimizer.lr was 7 and is 8", ""},
        ConfigCase{"data: {train: {root: '${env:AILAB_TEST_ROOT}/d'}}",
                   "data: {train: {root: '${env:AILAB_TEST_ROOT}/d'}}",
                   "data.train.root was /data/one/d and is /data/two/d!~", ""},
        ConfigCase{"data: {train: {root: '${env:AILAB_TEST_ROOT}'}}",
                   "data: {train: {root: /data/three}}",
                   "data.train.root was /data/one and is /data/three!",
                   "data.train.root was /data/two and is /data/three!"},
        // What may be a secret is neither kept nor shown.
        ConfigCase{"data: {train: {token: '${env:AILAB_TEST_KEY}'}}",
                   "data: {train: {token: '${env:AILAB_TEST_KEY}'}}",
                   "data.train.token was \"another value\" and is ${env:AILAB_TEST_KEY}!", ""},
        ConfigCase{"data: {train: {token: '${env:AILAB_TEST_KEY}'}}",
                   "data: {train: {token: c0ffee}}", "",
                   "data.train.token was ${env:AILAB_TEST_KEY} and is c0ffee!"}));

TEST(SavedConfig, OptionsThatABuildOfAPluginHasOrHasNotAreToldApart) {
    Node facts = Node::map();
    save_config(resolve("data: {train: {type: A, gone: 1, kept: 2}}"), facts);
    const Node now = resolve("data: {train: {type: A, kept: 3, fresh: 4}}");
    std::string text;
    for (const ConfigChange& change :
         compare_configs(read_saved_config(facts, "manifest.json", now), now))
        text += concat(change.str(), change.option_went ? " (went)" : "",
                       change.option_came ? " (came)" : "", "\n");
    EXPECT_EQ(text,
              "data.train.gone was 1 and is not given (went)\n"
              "data.train.kept was 2 and is 3\n"
              "data.train.fresh was not given and is 4 (came)\n");
}

TEST(SavedConfig, ACheckpointWithoutOneHasNothingToCompare) {
    EXPECT_TRUE(read_saved_config(Node::map(), "manifest.json", Node::map()).is_null());
}

TEST(OtherPlace, IsAPathOfTheDataAndNothingElse) {
    const struct {
        const char* key;
        const char* a;
        const char* b;
        bool other_place;
    } table[] = {
        {"data.train.root", "/a/d", "/b/d", true},
        {"data.train.files", "[/a/1, /a/2]", "[/b/1, /b/2]", true},
        {"data.train.files", "[/a/1, /a/2]", "[/b/1]", false},
        {"data.train.parts", "[{type: A, root: /a}]", "[{type: A, root: /b}]", true},
        {"data.train.parts", "[{type: A, root: /a}]", "[{type: B, root: /b}]", false},
        {"data.train.limit", "3", "4", false},
        {"data.train.root", "one", "two", false},
        {"data.train.type", "my/A", "your/A", false},
        {"work_dir", "/a/d", "/b/d", false},
        {"model.file", "/a/d", "/b/d", false},
    };
    for (const auto& c : table)
        EXPECT_EQ(is_other_place(c.key, resolve(c.a), resolve(c.b)), c.other_place)
            << c.key << " " << c.a << " " << c.b;
}

}  // namespace
}  // namespace ailab
