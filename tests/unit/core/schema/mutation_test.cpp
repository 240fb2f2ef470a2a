// Whatever the text, the reader answers with a configuration or a ConfigError. The mutations are
// the same on every run.
#include <gtest/gtest.h>

#include <random>

#include "config/formats.hpp"
#include "config_case.hpp"

namespace ailab {
namespace {

const std::string seedling = R"(seed: 42
work_dir: ${env:NOWHERE_SET,./w}
model: &m {type: TinyModel, hidden: 3, dropout: .5, sizes: [3, 3], note: "a ${seed}", extra: {a: ~}}
data:
  train: &d {type: ListData, root: /d}
  val: {<<: *d, limit: 5}
loss: {type: CrossEntropyLoss, weight: [1.0, 2.0]}
optimizer: {type: AdamW, lr: 1e-3}
workflow: [[train, 1], {phase: val}]
total_epochs: 3
hooks:
  m: {type: MetricHook, top1: {type: Accuracy, topk: 1}}
  l: {type: LoggerHook, interval: 5, log_items: {lr: x}}
)";

const char* const snippets[] = {
    "&a ",         "*a",      "<<: ",         "[",    "]",    "{",     "}",     ": ",
    "\n",          "\n- ",    "- ",           "? ",   "\"",   "'",     "|",     ">",
    "#",           "%",       "!!",           "!x ",  "\t",   "\xff",  "\x04",  "${",
    "${work_dir}", "${seed}", "$${",          "~/",   "null", "1e999", "---\n", "...\n",
    "\r",          "\\",      "\xE6\xA8\xA1", "\n  ", "type", "*m"};

std::string mutate(std::string text, std::mt19937& random) {
    const auto below = [&](size_t n) {
        return std::uniform_int_distribution<size_t>(0, n - 1)(random);
    };
    for (size_t i = 1 + below(3); i > 0 && !text.empty(); --i) {
        const size_t at = below(text.size());
        const size_t length = std::min(text.size() - at, 1 + below(20));
        switch (below(5)) {
            case 0:
                text.erase(at, length);
                break;
            case 1:
                text.insert(at, snippets[below(std::size(snippets))]);
                break;
            case 2:
                text.insert(at, text.substr(below(text.size()), length));
                break;
            case 3:
                text[at] = char(below(256));
                break;
            default:
                text.resize(at);
        }
    }
    return text;
}

TEST(Mutations, NeverCrashTheReader) {
    std::mt19937 random(7);
    int accepted = 0;
    int refused = 0;
    ASSERT_EQ(complaint(seedling), "accepted");
    for (int i = 0; i < 6000; ++i) {
        const std::string text = mutate(seedling, random);
        try {
            const RunConfig config = parse(text);
            ++accepted;
            const std::string saved = to_yaml(config.resolved);
            EXPECT_EQ(to_yaml(parse(saved).resolved), saved) << text;
            EXPECT_EQ(saved.find("the end"), std::string::npos) << text;
        } catch (const ConfigError& error) {
            ++refused;
            EXPECT_FALSE(error.problems().empty());
            for (const Problem& problem : error.problems()) EXPECT_FALSE(problem.text.empty());
        }
    }
    EXPECT_GT(accepted, 100);
    EXPECT_GT(refused, 3000);
}

TEST(Mutations, NeverCrashTheOverrides) {
    std::mt19937 random(8);
    for (int i = 0; i < 3000; ++i) {
        const std::string text = mutate("hooks.l.log_items={lr: [x, \"y\"], a.0: 1}", random);
        try {
            parse(seedling, {text});
        } catch (const ConfigError& error) {
            EXPECT_FALSE(error.problems().empty());
        }
    }
}

}  // namespace
}  // namespace ailab
