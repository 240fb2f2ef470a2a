#include "tensorboard/model_graph.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/nn/modules.h>

#include "ailab/error.hpp"
#include "ailab/support/protobuf.hpp"

namespace ailab::tensorboard {
namespace {

class ConvNet final : public Model {
  public:
    ConvNet() {
        stem = register_module(
            "stem", torch::nn::Sequential(torch::nn::Conv2d(1, 4, 3), torch::nn::BatchNorm2d(4)));
        dropout = register_module("dropout", torch::nn::Dropout(0.5));
        head = register_module("head", torch::nn::Linear(4, 2));
    }
    Tensor forward(const Tensor& input) override {
        ++calls;
        const Tensor x = dropout(torch::relu(stem->forward(input)));
        return head(torch::cat({x, x}, 2).mean({2, 3}));
    }
    torch::nn::Sequential stem;
    torch::nn::Dropout dropout{nullptr};
    torch::nn::Linear head{nullptr};
    int calls = 0;
};

Batch inputs(int64_t samples) {
    Batch batch{{"input", at::rand({samples, 1, 8, 8})}};
    batch.size = samples;
    return batch;
}

/// Fields of a node as they lie in the message.
bool has(const std::string& graph, const wire::Message& part) {
    return graph.find(part.bytes()) != std::string::npos;
}

TEST(ModelGraph, HoldsInputsParametersOperationsAndOutputs) {
    ConvNet net;
    const std::string graph = model_graph(net, inputs(3));
    EXPECT_EQ(net.calls, 1);
    using wire::Message;
    EXPECT_TRUE(has(graph, Message().add(1, "input/input").add(2, "Placeholder")));
    EXPECT_TRUE(has(graph, Message().add(1, "stem/0/weight").add(2, "Parameter")));
    EXPECT_TRUE(has(graph, Message().add(1, "stem/1/running_mean").add(2, "Parameter")));
    EXPECT_TRUE(has(graph, Message()
                               .add(1, "stem/0/_convolution")
                               .add(2, "aten::_convolution")
                               .add(3, "input/input")
                               .add(3, "stem/0/weight")
                               .add(3, "stem/0/bias")));
    EXPECT_TRUE(
        has(graph, Message().add(1, "relu").add(2, "aten::relu").add(3, "stem/1/batch_norm")));
    // Both items of the list.
    EXPECT_TRUE(has(
        graph, Message().add(1, "cat").add(2, "aten::cat").add(3, "dropout").add(3, "dropout")));
    EXPECT_TRUE(
        has(graph, Message().add(1, "output/output").add(2, "Output").add(3, "head/addmm")));
    // Shapes of one sample.
    Message shape;
    for (const int64_t size : {1, 4, 6, 6}) shape.add(2, Message().add(1, size));
    EXPECT_TRUE(has(graph, Message().add(7, shape)));
}

TEST(ModelGraph, LeavesTheModelAsItWas) {
    ConvNet net;
    net.train();
    net.stem->eval();  // frozen statistics
    const Tensor mean = net.stem->named_buffers()["1.running_mean"];
    const Tensor before = mean.clone();
    const Batch batch = inputs(2);
    at::manual_seed(1);
    const Tensor expected = at::rand({4});
    at::manual_seed(1);
    model_graph(net, batch);
    EXPECT_TRUE(at::equal(at::rand({4}), expected)) << "random numbers were drawn";
    EXPECT_TRUE(at::equal(mean, before));
    EXPECT_TRUE(net.is_training());
    EXPECT_TRUE(net.dropout->is_training());
    EXPECT_FALSE(net.stem->is_training());
    EXPECT_FALSE(net.stem[1]->is_training());
    EXPECT_TRUE(net.head->weight.requires_grad());
    EXPECT_TRUE(net.forward(batch.tensor("input")).requires_grad());
}

class Broken final : public Model {
  public:
    Broken() { register_parameter("weight", at::ones({1})); }
    Tensor forward(const Tensor&) override { throw Error("no"); }
};

TEST(ModelGraph, AModelThatFailsThrowsAndLeavesTheTracerAlone) {
    Broken broken;
    broken.train();
    EXPECT_ANY_THROW(model_graph(broken, inputs(1)));
    EXPECT_TRUE(broken.is_training());
    ConvNet net;
    EXPECT_FALSE(model_graph(net, inputs(1)).empty());
}

}  // namespace
}  // namespace ailab::tensorboard
