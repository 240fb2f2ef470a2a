#include "wandb/json.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "config/formats.hpp"

namespace ailab::wandb {
namespace {

TEST(WandbJson, WritesWhatTheClientReads) {
    EXPECT_EQ(json(1.0 / 3), "0.3333333333333333");
    EXPECT_EQ(json(1e-8), "1e-08");
    EXPECT_EQ(json(std::nan("")), "NaN");
    EXPECT_EQ(json(INFINITY), "Infinity");
    EXPECT_EQ(json(-INFINITY), "-Infinity");
    EXPECT_EQ(json(std::string("a\"\\\n\x01\u6f22")), "\"a\\\"\\\\\\u000a\\u0001\u6f22\"");
    for (const std::string text : {R"({"a":[1,2.5,null,true,"x"],"b":{"c":{}},"d":[]})", R"(-3)"})
        EXPECT_EQ(json(from_json(text, "test")), text);
}

TEST(WandbJson, KeepsTheEnvironmentOut) {
    Node secret = Node::string("hunter2");
    secret.written = "${env:PASSWORD}";
    Node map = Node::map();
    map.set("password", secret);
    EXPECT_EQ(json(map), R"({"password":"${env:PASSWORD}"})");
}

}  // namespace
}  // namespace ailab::wandb
