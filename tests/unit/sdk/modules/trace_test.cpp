// A traced model is the model, for any number of samples.
#include "ailab/support/trace.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace ailab {
namespace {

struct Linear : Model {
    Linear() { fc = register_module("fc", torch::nn::Linear(6, 2)); }
    torch::nn::Linear fc{nullptr};
};

struct ByFlatten final : Linear {
    Tensor forward(const Tensor& x) override { return fc(x.flatten(1)); }
};
struct ByItsSize final : Linear {
    Tensor forward(const Tensor& x) override { return fc(x.view({x.size(0), -1})); }
};
struct ByAMultiple final : Linear {
    Tensor forward(const Tensor& x) override {
        return fc(x.reshape({x.size(0) * 3, 2}).view({x.size(0), 6}));
    }
};
struct WithDropout final : Linear {
    Tensor forward(const Tensor& x) override {
        return fc(torch::dropout(x.flatten(1), 0.5, is_training()));
    }
};
struct Twofold final : Linear {
    std::vector<std::string> outputs() const override { return {"a", "b"}; }
    Batch forward_batch(const Batch& inputs) override {
        const Tensor y = fc(inputs.tensor("input").flatten(1));
        return Batch{{"a", y}, {"b", y * 2}};
    }
};

Batch samples(int64_t count) {
    Batch batch{{"input", torch::randn({count, 2, 3})}};
    batch.size = batch.global_size = count;
    return batch;
}

template <class M>
void expect_same() {
    M model;
    TracedModel traced = trace_model(model, samples(4));
    EXPECT_EQ(traced.inputs, (std::vector<std::string>{"input"}));
    EXPECT_TRUE(model.is_training()) << "as it was";
    model.eval();
    for (const int64_t count : {4, 1, 9}) {
        const Tensor x = torch::randn({count, 2, 3});
        EXPECT_TRUE(traced.module.forward({x}).toTensor().allclose(model.forward(x))) << count;
    }
    std::vector<std::string> names;
    for (const auto& parameter : traced.module.named_parameters()) names.push_back(parameter.name);
    EXPECT_EQ(names, (std::vector<std::string>{"fc.weight", "fc.bias"}));
}

TEST(Trace, ServesAnyBatch) {
    expect_same<ByFlatten>();
    expect_same<ByItsSize>();
    expect_same<ByAMultiple>();
    expect_same<WithDropout>();
}

TEST(Trace, SeveralOutputsAreATuple) {
    Twofold model;
    TracedModel traced = trace_model(model, samples(3));
    EXPECT_EQ(traced.outputs, (std::vector<std::string>{"a", "b"}));
    const auto results = traced.module.forward({torch::randn({5, 2, 3})});
    ASSERT_TRUE(results.isTuple());
    EXPECT_EQ(results.toTupleRef().elements().size(), 2U);
}

TEST(Trace, OneSampleIsTracedOnce) {
    ByItsSize model;
    TracedModel traced = trace_model(model, samples(1));
    EXPECT_EQ(traced.module.forward({torch::randn({1, 2, 3})}).toTensor().sizes(),
              (std::vector<int64_t>{1, 2}));
}

TEST(Trace, FirstSamplesAreCopies) {
    Batch batch{{"input", torch::arange(6).view({3, 2})},
                {"text", std::vector<std::string>{"a", "b", "c"}}};
    batch.ids = {7, 8, 9};
    const Batch some = first_samples(batch, 2);
    EXPECT_EQ(some.size, 2);
    EXPECT_EQ(some.ids, (std::vector<int64_t>{7, 8}));
    EXPECT_EQ(some.strings("text"), (std::vector<std::string>{"a", "b"}));
    some.tensor("input").fill_(0);
    EXPECT_EQ(batch.tensor("input").sum().item<int64_t>(), 15);
}

}  // namespace
}  // namespace ailab
