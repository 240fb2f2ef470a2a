// The weights that a hook gives for evaluations stand for the model's own, and go again.
#include "weights/evaluation_weights.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace ailab {
namespace {

using Pairs = std::vector<std::pair<at::Tensor, at::Tensor>>;

class EvaluationWeightsTest : public testing::Test {
  protected:
    const at::Tensor parameter = torch::full({2}, 1.0).requires_grad_();
    const at::Tensor average = torch::full({2}, 5.0);
    EvaluationWeights weights;

    double value() const { return parameter[0].item<double>(); }
};

TEST_F(EvaluationWeightsTest, AreInPlaceUntilTheyAreTakenOut) {
    weights.put_in({{parameter, average}});
    EXPECT_EQ(value(), 5);
    EXPECT_TRUE(parameter.requires_grad());
    weights.put_in({{parameter, average * 2}});
    EXPECT_EQ(value(), 5) << "the first stay";
    weights.take_out();
    EXPECT_EQ(value(), 1);
    weights.take_out();
    EXPECT_EQ(value(), 1);
}

TEST_F(EvaluationWeightsTest, StandAsideForACheckpoint) {
    weights.put_in({{parameter, average}});
    {
        const EvaluationWeights::Aside own(weights);
        EXPECT_EQ(value(), 1);
    }
    EXPECT_EQ(value(), 5);
    weights.take_out();
    EXPECT_EQ(value(), 1);
    { const EvaluationWeights::Aside nothing(weights); }
    EXPECT_EQ(value(), 1);
}

TEST_F(EvaluationWeightsTest, OfNoHookChangeNothing) {
    weights.put_in({});
    EXPECT_EQ(value(), 1);
    weights.put_in({{parameter, average}});
    EXPECT_EQ(value(), 5);
}

TEST_F(EvaluationWeightsTest, KeepTheStrides) {
    const at::Tensor conv = torch::rand({4, 3, 2, 2}).contiguous(at::MemoryFormat::ChannelsLast);
    const std::vector<int64_t> strides = conv.strides().vec();
    weights.put_in({{conv, torch::zeros({4, 3, 2, 2})}});
    EXPECT_EQ(conv.strides().vec(), strides);
    weights.take_out();
    EXPECT_EQ(conv.strides().vec(), strides);
}

}  // namespace
}  // namespace ailab
