// Mistakes by the thousand take no thousand times a thousand.
#include <gtest/gtest.h>

#include "config/expand.hpp"
#include "config/yaml_reader.hpp"

namespace ailab {
namespace {

TEST(ManyMistakes, UnknownVariablesAreToldUpToAHundred) {
    std::string text;
    for (int i = 0; i < 50'000; ++i) text += concat("key", i, ": ${unknown", i, "}\n");
    Problems problems;
    Node root = read_yaml(text, "c.yaml", problems);
    ASSERT_TRUE(problems.empty());
    expand_variables(root, {}, problems);
    EXPECT_EQ(problems.size(), 100u);
    for (const Problem& problem : problems.list()) EXPECT_LT(problem.text.size(), 2000u);
}

}  // namespace
}  // namespace ailab
