#include "ailab/batch.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ailab/dataset.hpp"
#include "core/data/fake_samples.hpp"
#include "data/memory_format.hpp"

namespace ailab {
namespace {

using test::error_of;

TEST(Stack, JoinsTensorsOfOneShape) {
    const Batch batch = stack({Sample(at::zeros({3}), at::scalar_tensor(1, at::kLong)),
                               Sample(at::ones({3}), at::scalar_tensor(2, at::kLong))});
    EXPECT_EQ(batch.size, 2);
    EXPECT_EQ(batch.tensor("input").sizes(), (at::IntArrayRef{2, 3}));
    EXPECT_EQ(batch.tensor("target")[1].item<int64_t>(), 2);
}

TEST(Stack, KeepsTensorsOfDifferentShapesAndTextAsLists) {
    Sample a, b;
    a.fields = {{"boxes", at::zeros({1, 4})}, {"name", std::string("a")}};
    b.fields = {{"boxes", at::zeros({3, 4})}, {"name", std::string("b")}};
    const Batch batch = stack({a, b});
    EXPECT_EQ(batch.tensors("boxes")[1].size(0), 3);
    EXPECT_EQ(batch.strings("name"), (std::vector<std::string>{"a", "b"}));
}

TEST(Stack, RefusesSamplesThatDiffer) {
    Sample a, b;
    a.fields = {{"x", at::zeros({1})}};
    b.fields = {{"y", at::zeros({1})}};
    EXPECT_EQ(error_of([&] {
                  stack({a, b});
              }),
              "samples of one batch have different fields: x and y");
    b.fields = {{"x", at::zeros({1}, at::kLong)}};
    EXPECT_EQ(error_of([&] {
                  stack({a, b});
              }),
              "field \"x\" has different types: [1] Float and [1] Long");
}

TEST(Batch, AMissingFieldListsThoseThatAre) {
    const Batch batch(at::zeros({2, 3}), at::zeros({2}, at::kLong));
    EXPECT_EQ(error_of([&] { batch.tensor("image"); }),
              "there is no field \"image\" here; there are: input [2, 3] Float, target [2] Long");
    EXPECT_EQ(error_of([&] { batch.strings("input"); }),
              "field \"input\" is not text; there are: input [2, 3] Float, target [2] Long");
}

TEST(Batch, AListSaysWhichSampleHasAnotherShape) {
    Batch batch;
    batch.set("input", std::vector<Tensor>{at::zeros({2}), at::zeros({2}), at::zeros({3})});
    batch.ids = {7, 4, 9};
    EXPECT_EQ(error_of([&] { batch.tensor("input"); }),
              "field \"input\" is not a tensor; there are: input (list of 3 tensors of different "
              "shapes: sample 7 has [2] Float, sample 9 [3] Float). Samples of one shape become a "
              "tensor: let a transform resize or crop them");
}

TEST(Ensure, ReusesMemoryThatNobodyElseHolds) {
    Batch batch;
    const void* first = ensure(batch, "input", {4, 1, 8, 8}, at::kFloat, true).data_ptr();
    EXPECT_EQ(ensure(batch, "input", {4, 1, 8, 8}, at::kFloat, true).data_ptr(), first);
    const Tensor held = batch.tensor("input");
    EXPECT_NE(ensure(batch, "input", {4, 1, 8, 8}, at::kFloat, true).data_ptr(), first);
    EXPECT_EQ(ensure(batch, "input", {2, 1, 8, 8}, at::kFloat, true).size(0), 2);
}

TEST(ToChannelsLast, GivesExplicitStridesForOneChannel) {
    const Tensor x = at::arange(2 * 1 * 3 * 5).reshape({2, 1, 3, 5}).to(at::kFloat);
    const Tensor y = to_channels_last(x);
    EXPECT_EQ(y.strides(), (at::IntArrayRef{15, 1, 5, 1}));
    EXPECT_TRUE(y.equal(x));
    const Tensor colour = at::rand({2, 3, 4, 4});
    EXPECT_TRUE(to_channels_last(colour).equal(colour));
    EXPECT_EQ(to_channels_last(colour).strides(), (at::IntArrayRef{48, 1, 12, 3}));
}

}  // namespace
}  // namespace ailab
