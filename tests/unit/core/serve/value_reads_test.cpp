// What a model asks of its input's values while it is traced is heard.
#include "serve/value_reads.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>

#include "ailab/support/trace.hpp"

namespace ailab {
namespace {

struct Asking final : Model {
    explicit Asking(std::function<Tensor(const Tensor&, const Tensor&)> body)
        : body(std::move(body)) {
        weight = register_parameter("weight", torch::ones(3));
    }
    Tensor forward(const Tensor& x) override { return body(x, weight); }
    std::function<Tensor(const Tensor&, const Tensor&)> body;
    Tensor weight;
};

TEST(ValueReads, HearWhatAGraphCannotHold) {
    using T = const Tensor&;
    const struct {
        const char* name;
        bool heard;
        std::function<Tensor(T, T)> forward;
    } table[] = {
        {"item of an input", true, [](T x, T w) { return x * w * x.max().item<float>(); }},
        {"item of what is computed", true,
         [](T x, T w) { return (x * w).sum().item<float>() > 0 ? x : -x; }},
        {"a tensor as a condition", true,
         [](T x, T) { return (x > 0).all().is_nonzero() ? x.clone() : -x; }},
        {"equal", true, [](T x, T) { return at::equal(x, x.abs()) ? x.clone() : -x; }},
        {"no value", false, [](T x, T w) { return at::where(x > 0, x * w, -x); }},
        {"sizes", false,
         [](T x, T w) {
             return (x * w).view({x.size(0), -1}) / x.size(1);
         }},
        {"item of a weight", false, [](T x, T w) { return x * w.sum().item<float>(); }},
        {"a tensor that an operation reads itself", false,
         [](T x, T w) { return x.masked_fill(x > 0, w.sum()) + x.softmax(1); }},
    };
    Batch batch{{"input", torch::randn({4, 3})}};
    batch.size = batch.global_size = 4;
    for (const auto& row : table) {
        Asking model(row.forward);
        const ValueReads reads;
        trace_model(model, batch);
        EXPECT_EQ(!reads.found().empty(), row.heard) << row.name;
        EXPECT_EQ(!reads.warning().empty(), row.heard) << row.name;
    }
}

TEST(ValueReads, OutsideOfATraceAreNobodysBusiness) {
    const ValueReads reads;
    torch::ones(1).item<float>();
    EXPECT_TRUE(reads.found().empty());
}

}  // namespace
}  // namespace ailab
