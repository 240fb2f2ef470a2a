#include "tensorboard/hyperparameters.hpp"

#include <gtest/gtest.h>

#include <map>

namespace ailab::tensorboard {
namespace {

TEST(Hyperparameters, AreTheScalarsByTheirPaths) {
    Node token = Node::string("the secret itself");
    token.written = "${env:TOKEN}";
    Node optimizer = Node::map();
    optimizer.set("type", Node::string("Adam"));
    optimizer.set("lr", Node(0.001));
    optimizer.set("betas", Node::list({Node(0.9), Node(0.999)}));
    optimizer.set("amsgrad", Node(false));
    Node transform = Node::map();
    transform.set("type", Node::string("Resize"));
    Node config = Node::map();
    config.set("seed", Node(int64_t(3)));
    config.set("optimizer", optimizer);
    config.set("transforms", Node::list({transform, transform}));
    config.set("resume_from", Node());
    config.set("token", token);
    config.set("tokens", Node::list({token, Node(true)}));
    config.set("none", Node::list());
    std::map<std::string, std::string> found;
    for (const auto& [path, value] : flatten(config)) found[path] = value.flow();
    // Strings that would read as something else are quoted.
    const std::map<std::string, std::string> expected = {
        {"seed", "3"},
        {"optimizer.type", "Adam"},
        {"optimizer.lr", "0.001"},
        {"optimizer.betas", "\"[0.9, 0.999]\""},
        {"optimizer.amsgrad", "false"},
        {"transforms.0.type", "Resize"},
        {"transforms.1.type", "Resize"},
        {"token", "\"${env:TOKEN}\""},
        {"tokens.0", "\"${env:TOKEN}\""},
        {"tokens.1", "true"},
        {"none", "\"[]\""},
    };
    EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace ailab::tensorboard
