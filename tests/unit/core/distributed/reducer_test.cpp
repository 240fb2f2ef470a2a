// The reducer on ranks that are threads: every sum is compared with one process that sees all.
#include "distributed/reducer.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <numeric>

#include "ailab/error.hpp"
#include "case_name.hpp"
#include "thread_backend.hpp"

namespace ailab::test {
namespace {

using torch::Tensor;

/// A convolution (channels_last), a batch of features, two linear layers; one of them may be
/// unused.
struct Net : torch::nn::Module {
    explicit Net(torch::Dtype dtype) {
        conv = register_module("conv", torch::nn::Conv2d(3, 4, 3));
        first = register_module("first", torch::nn::Linear(4, 8));
        second = register_module("second", torch::nn::Linear(8, 2));
        to(dtype);
        const torch::NoGradGuard no_grad;
        conv->weight.set_data(conv->weight.contiguous(at::MemoryFormat::ChannelsLast));
        int64_t seed = 1;
        for (Tensor& parameter : parameters())
            parameter.copy_(torch::sin(torch::arange(parameter.numel(), dtype) * 0.37 + seed++)
                                .view(parameter.sizes()) *
                            0.3);
    }
    Tensor forward(const Tensor& input) {
        const Tensor features =
            conv(input.contiguous(at::MemoryFormat::ChannelsLast)).relu().mean({2, 3});
        return second(first(features).tanh());
    }
    /// The sum over the samples, so that ranks add up.
    Tensor loss(const Tensor& input) { return forward(input).square().sum(); }

    torch::nn::Conv2d conv{nullptr};
    torch::nn::Linear first{nullptr}, second{nullptr};
};

std::vector<NamedParameter> named(const torch::nn::Module& module) {
    std::vector<NamedParameter> list;
    for (const auto& item : module.named_parameters()) list.push_back({item.key(), item.value()});
    return list;
}

Tensor samples(int64_t count, torch::Dtype dtype) {
    return torch::cos(torch::arange(count * 3 * 6 * 6, dtype) * 0.71).view({count, 3, 6, 6});
}

std::vector<Tensor> gradients(const torch::nn::Module& module) {
    std::vector<Tensor> list;
    for (const Tensor& parameter : module.parameters())
        list.push_back(parameter.grad().defined() ? parameter.grad().clone() : Tensor());
    return list;
}

/// Two ranks with a tensor each as parameters, `body(rank, reducer, parameters)`.
using Body = std::function<void(int, Reducer&, std::vector<NamedParameter>&)>;

void run_reducers(int size, const std::function<std::vector<NamedParameter>()>& make,
                  const Body& body, double bucket_mb = 25) {
    auto meeting = std::make_shared<Meeting>(size);
    run_ranks(size, [&](int rank) {
        std::vector<NamedParameter> parameters = make();
        const auto reducer = Reducer::create(
            parameters, c10::make_intrusive<ThreadBackend>(meeting, rank, size), bucket_mb);
        body(rank, *reducer, parameters);
    });
}

std::vector<NamedParameter> two_parameters() {
    return {{"used", torch::ones({3}).requires_grad_()},
            {"other", torch::ones({2}).requires_grad_()}};
}

// ---- gradients are those of one big batch

struct Split {
    std::vector<int64_t> samples;  // of each rank
    torch::Dtype dtype;
    double tolerance;
    double bucket_mb;
    bool asynchronous;
};

class GradientsOfOneBatch : public testing::TestWithParam<Split> {};

TEST_P(GradientsOfOneBatch, Equal) {
    const Split& split = GetParam();
    const int size = int(split.samples.size());
    const int64_t all = std::accumulate(split.samples.begin(), split.samples.end(), int64_t(0));
    const Tensor data = samples(all, split.dtype);
    Net reference(split.dtype);
    (reference.loss(data) / double(all)).backward();

    auto meeting = std::make_shared<Meeting>(size);
    std::vector<std::vector<Tensor>> found(static_cast<size_t>(size));
    run_ranks(size, [&](int rank) {
        Net net(split.dtype);
        const auto reducer = Reducer::create(
            named(net),
            c10::make_intrusive<ThreadBackend>(
                meeting, rank, size, ThreadBackendOptions{.asynchronous = split.asynchronous}),
            split.bucket_mb);
        int64_t begin = 0;
        for (int each = 0; each < rank; ++each) begin += split.samples[size_t(each)];
        const int64_t count = split.samples[size_t(rank)];
        for (int step = 0; step < 3; ++step) {  // nothing is left over from the step before
            reducer->begin();
            reducer->arm();
            if (count > 0) (net.loss(data.narrow(0, begin, count)) / double(all)).backward();
            EXPECT_EQ(reducer->finish({double(count)}), std::vector<double>{double(all)});
            EXPECT_TRUE(reducer->unused().empty());
        }
        found[size_t(rank)] = gradients(net);
        EXPECT_TRUE(net.conv->weight.grad().is_contiguous(at::MemoryFormat::ChannelsLast));
    });
    const std::vector<Tensor> expected = gradients(reference);
    for (size_t i = 0; i < expected.size(); ++i) {
        const double error = (found[0][i] - expected[i]).abs().max().item<double>() /
                             expected[i].abs().max().item<double>();
        EXPECT_LE(error, split.tolerance) << "parameter " << i;
        for (const auto& other : found) EXPECT_TRUE(torch::equal(other[i], found[0][i]));
    }
}

INSTANTIATE_TEST_SUITE_P(Splits, GradientsOfOneBatch,
                         testing::Values(Split{{4, 4}, torch::kDouble, 1e-13, 25, false},
                                         Split{{5, 1}, torch::kDouble, 1e-13, 25, false},
                                         Split{{5, 1}, torch::kDouble, 1e-13, 1e-4, false},
                                         Split{{5, 1}, torch::kDouble, 1e-13, 1e-4, true},
                                         Split{{3, 0, 4}, torch::kDouble, 1e-13, 25, true},
                                         Split{{0, 0, 4}, torch::kDouble, 1e-13, 1e-4, true},
                                         Split{{2, 0, 1, 6}, torch::kDouble, 1e-13, 25, false},
                                         Split{{2, 0, 1, 6}, torch::kFloat, 2e-6, 1e-4, true},
                                         Split{{7, 9}, torch::kFloat, 2e-6, 25, false}),
                         [](const auto& row) {
                             std::string text = c10::toString(row.param.dtype);
                             for (const int64_t samples : row.param.samples)
                                 text += concat(" ", samples);
                             text += concat(" in ", row.param.bucket_mb, " MB",
                                            row.param.asynchronous ? " asynchronous" : "");
                             return test::case_name(row.index, text);
                         });

// ---- accumulation

TEST(Reducer, MicroBatchesAccumulateAndOnlyTheLastOneIsReduced) {
    const Tensor data = samples(8, torch::kDouble);
    Net reference(torch::kDouble);
    reference.loss(data).backward();
    const std::vector<Tensor> expected = gradients(reference);
    auto meeting = std::make_shared<Meeting>(2);
    run_ranks(2, [&](int rank) {
        Net net(torch::kDouble);
        auto backend = c10::make_intrusive<ThreadBackend>(meeting, rank, 2);
        const auto reducer = Reducer::create(named(net), backend, 1e-4);
        for (int step = 0; step < 2; ++step) {
            reducer->begin();
            const int calls = backend->calls();
            net.loss(data.narrow(0, rank * 4, 1)).backward();
            net.loss(data.narrow(0, rank * 4 + 1, 2)).backward();
            EXPECT_EQ(backend->calls(), calls);
            reducer->arm();
            net.loss(data.narrow(0, rank * 4 + 3, 1)).backward();
            EXPECT_GT(backend->calls(), calls) << "full buckets are launched during backward";
            reducer->finish({});
        }
        const std::vector<Tensor> found = gradients(net);
        for (size_t i = 0; i < expected.size(); ++i)
            EXPECT_TRUE(torch::allclose(found[i], expected[i], 1e-12, 1e-13)) << i;
    });
}

TEST(Reducer, ASecondBackwardAfterTheLastOneIsAnError) {
    run_reducers(2, two_parameters, [](int, Reducer& reducer, auto& parameters) {
        reducer.begin();
        reducer.arm();
        parameters[0].tensor.sum().backward();
        try {
            parameters[0].tensor.sum().backward();
            FAIL() << "no error";
        } catch (const std::exception& error) {
            EXPECT_NE(std::string(error.what())
                          .find("parameter \"used\" got a gradient from a second backward after "
                                "the step's last one; accumulate first, and reduce once a step"),
                      std::string::npos)
                << error.what();
        }
        reducer.finish({});
    });
}

TEST(Reducer, ABackwardOutsideAStepIsNobodysBusiness) {
    run_reducers(2, two_parameters, [](int, Reducer& reducer, auto& parameters) {
        for (int step = 0; step < 2; ++step) {
            (parameters[0].tensor.sum() * 100).backward();
            reducer.begin();
            reducer.arm();
            parameters[0].tensor.sum().backward();
            reducer.finish({});
            EXPECT_EQ(parameters[0].tensor.grad()[0].template item<float>(), 2);
        }
    });
}

// ---- parameters that were not used

TEST(Reducer, AParameterThatNoRankUsedHasNoGradientAndIsNamed) {
    run_reducers(3, two_parameters, [](int, Reducer& reducer, auto& parameters) {
        for (int step = 0; step < 2; ++step) {
            reducer.begin();
            reducer.arm();
            parameters[0].tensor.sum().backward();
            reducer.finish({});
            EXPECT_EQ(reducer.unused(), std::vector<std::string>{"other"});
            EXPECT_FALSE(parameters[1].tensor.grad().defined());
            EXPECT_TRUE(torch::equal(parameters[0].tensor.grad(), torch::full({3}, 3.0)));
        }
    });
}

TEST(Reducer, AParameterThatOneRankUsedHasItsGradientEverywhere) {
    run_reducers(3, two_parameters, [](int rank, Reducer& reducer, auto& parameters) {
        for (int step = 0; step < 3; ++step) {
            const int user = step;  // another one each step
            reducer.begin();
            reducer.arm();
            Tensor loss = parameters[0].tensor.sum();
            if (rank == user) loss = loss + (parameters[1].tensor * 5).sum();
            loss.backward();
            reducer.finish({});
            EXPECT_TRUE(reducer.unused().empty());
            EXPECT_TRUE(torch::equal(parameters[1].tensor.grad(), torch::full({2}, 5.0)));
        }
    });
}

TEST(Reducer, AStepThatNoRankTookASampleInLeavesNoGradients) {
    run_reducers(2, two_parameters, [](int, Reducer& reducer, auto& parameters) {
        reducer.begin();
        reducer.arm();
        EXPECT_EQ(reducer.finish({7}), std::vector<double>{14});
        EXPECT_FALSE(reducer.complete());
        EXPECT_EQ(reducer.unused(), (std::vector<std::string>{"used", "other"}));
        EXPECT_FALSE(parameters[0].tensor.grad().defined());
    });
}

// ---- kinds of parameters

TEST(Reducer, EachDtypeHasItsOwnBucketAndTheCountsStayExact) {
    auto make = [] {
        std::vector<NamedParameter> list;
        for (const auto dtype : {torch::kFloat, torch::kBFloat16, torch::kDouble, torch::kHalf,
                                 torch::kComplexFloat, torch::kFloat})
            list.push_back({concat("p", list.size()), torch::ones({5}, dtype).requires_grad_()});
        return list;
    };
    run_reducers(4, make, [](int rank, Reducer& reducer, auto& parameters) {
        reducer.begin();
        reducer.arm();
        std::vector<Tensor> roots, ones;
        for (auto& parameter : parameters) {
            roots.push_back(parameter.tensor * double(rank + 1));
            ones.push_back(torch::ones_like(roots.back()));
        }
        torch::autograd::backward(roots, ones);
        EXPECT_EQ(reducer.finish({1, 0.5}), (std::vector<double>{4, 2}));
        for (auto& parameter : parameters) {
            EXPECT_EQ(parameter.tensor.grad().scalar_type(), parameter.tensor.scalar_type());
            EXPECT_TRUE(torch::equal(parameter.tensor.grad(),
                                     torch::full_like(parameter.tensor, 10).detach()))
                << parameter.name;
        }
    });
}

TEST(Reducer, LowPrecisionAloneGetsATailOfItsOwn) {
    auto make = [] {
        return std::vector<NamedParameter>{
            {"p", torch::ones({5}, torch::kBFloat16).requires_grad_()}};
    };
    run_reducers(2, make, [](int, Reducer& reducer, auto&) {
        EXPECT_EQ(reducer.describe(), "2 buckets, 0.00 MB");
        reducer.begin();
        EXPECT_EQ(reducer.finish({1001}), std::vector<double>{2002}) << "bfloat16 knows no 1001";
    });
}

TEST(Reducer, TheTailOfFloat64ParametersIsFloat64) {
    auto make = [] {
        return std::vector<NamedParameter>{
            {"p", torch::ones({5}, torch::kDouble).requires_grad_()}};
    };
    run_reducers(2, make, [](int, Reducer& reducer, auto&) {
        reducer.begin();
        EXPECT_EQ(reducer.finish({0.1}), std::vector<double>{0.2});
    });
}

TEST(Reducer, FrozenParametersAreLeftOutAndTiedOnesCountOnce) {
    auto make = [] {
        const Tensor tied = torch::ones({4}).requires_grad_();
        return std::vector<NamedParameter>{
            {"frozen", torch::ones({1000000})}, {"encoder", tied}, {"decoder", tied}};
    };
    run_reducers(2, make, [](int, Reducer& reducer, auto& parameters) {
        EXPECT_EQ(reducer.describe(), "1 bucket, 0.00 MB");
        reducer.begin();
        reducer.arm();
        (parameters[1].tensor + parameters[2].tensor * 2).sum().backward();
        reducer.finish({});
        EXPECT_TRUE(torch::equal(parameters[1].tensor.grad(), torch::full({4}, 6.0)));
        EXPECT_TRUE(reducer.unused().empty());
    });
}

TEST(Reducer, SparseGradientsBecomeDense) {
    auto make = [] {
        return std::vector<NamedParameter>{{"table", torch::ones({4, 2}).requires_grad_()}};
    };
    run_reducers(2, make, [](int rank, Reducer& reducer, auto& parameters) {
        reducer.begin();
        reducer.arm();
        torch::embedding(parameters[0].tensor, torch::tensor({int64_t(rank)}), -1, false, true)
            .sum()
            .backward();
        reducer.finish({});
        EXPECT_TRUE(torch::equal(parameters[0].tensor.grad(),
                                 torch::tensor({{1.f, 1.f}, {1.f, 1.f}, {0.f, 0.f}, {0.f, 0.f}})));
    });
}

TEST(Reducer, LargeGradientsAndExpandedOnesAreCopiedWhole) {
    auto make = [] {
        return std::vector<NamedParameter>{
            {"large", torch::ones({300, 700}).requires_grad_()},
            {"transposed", torch::ones({30, 70}).t().detach().requires_grad_()},
            {"scalar", torch::ones({}).requires_grad_()}};
    };
    run_reducers(2, make, [](int, Reducer& reducer, auto& parameters) {
        reducer.begin();
        reducer.arm();
        (parameters[0].tensor.sum() + parameters[1].tensor.sum() + parameters[2].tensor).backward();
        reducer.finish({});
        for (auto& parameter : parameters) {
            const Tensor gradient = parameter.tensor.grad();
            EXPECT_TRUE(torch::equal(gradient, torch::full_like(parameter.tensor, 2).detach()));
            EXPECT_EQ(gradient.strides(), parameter.tensor.strides()) << parameter.name;
        }
    });
}

// ---- buckets

TEST(Reducer, GradientsStayInTheSameMemory) {
    run_reducers(2, two_parameters, [](int, Reducer& reducer, auto& parameters) {
        const void* where = nullptr;
        for (int step = 0; step < 3; ++step) {
            reducer.begin();
            reducer.arm();
            parameters[0].tensor.sum().backward();
            reducer.finish({});
            const void* now = parameters[0].tensor.grad().data_ptr();
            if (where) {
                EXPECT_EQ(now, where);
            }
            where = now;
        }
    });
}

TEST(Reducer, BucketsFollowTheReverseOrderOfRegistration) {
    auto meeting = std::make_shared<Meeting>(1);
    auto backend = c10::make_intrusive<ThreadBackend>(meeting, 0, 1);
    std::vector<NamedParameter> parameters;
    for (int i = 0; i < 4; ++i)
        parameters.push_back(
            {concat("p", i), torch::zeros({512 * 1024}).requires_grad_()});  // 2 MB
    const auto reducer = Reducer::create(parameters, backend, 4);
    EXPECT_EQ(reducer->describe(), "3 buckets, 8.00 MB");  // p3 | p2 p1 | p0 and the tail
    std::vector<float> first_values;
    backend->on_call = [&](const Tensor& bucket) {
        first_values.push_back(bucket[0].item<float>());
    };
    reducer->begin();
    reducer->arm();
    // Gradients come in the order 0 … 3, but nothing may overtake the first bucket.
    for (int i = 0; i < 4; ++i) {
        (parameters[size_t(i)].tensor * double(i + 1)).sum().backward();
        EXPECT_EQ(first_values.size(), i < 3 ? 0u : 2u) << i;
    }
    reducer->finish({});
    EXPECT_EQ(first_values, (std::vector<float>{4, 3, 1}));
}

TEST(Reducer, ABackendThatSharesMemoryGetsOneBucketInIt) {
    for (const bool full : {false, true}) {
        auto meeting = std::make_shared<Meeting>(1);
        auto backend = c10::make_intrusive<SharingBackend>(meeting, 0, 1);
        backend->full = full;
        std::vector<NamedParameter> parameters;
        for (int i = 0; i < 4; ++i)
            parameters.push_back({concat("p", i), torch::zeros({512 * 1024}).requires_grad_()});
        const auto reducer = Reducer::create(parameters, backend, 4);
        EXPECT_EQ(backend->allocated.size(), full ? 0u : 1u);
        reducer->begin();
        reducer->arm();
        parameters[1].tensor.sum().backward();
        reducer->finish({});
        EXPECT_EQ(backend->calls(), 1);
        const Tensor gradient = parameters[1].tensor.grad();
        EXPECT_EQ(gradient.sum().item<float>(), 512 * 1024);
        if (full) continue;
        const auto* begin = static_cast<const char*>(backend->allocated[0].data_ptr());
        const auto* where = static_cast<const char*>(gradient.data_ptr());
        EXPECT_TRUE(where >= begin && where < begin + backend->allocated[0].nbytes());
    }
}

TEST(Reducer, NothingIsLeftOnTheParametersAfterwards) {
    std::vector<NamedParameter> parameters = two_parameters();
    {
        auto meeting = std::make_shared<Meeting>(1);
        const auto reducer =
            Reducer::create(parameters, c10::make_intrusive<ThreadBackend>(meeting, 0, 1), 25);
        reducer->begin();
        reducer->arm();
        parameters[0].tensor.sum().backward();
        reducer->finish({});
    }
    EXPECT_FALSE(parameters[0].tensor.grad().defined());
    parameters[0].tensor.sum().backward();
    EXPECT_TRUE(torch::equal(parameters[0].tensor.grad(), torch::ones({3})));
}

// ---- misuse and failure

TEST(Reducer, RefusesMoreThanEightNumbersAndFinishWithoutBegin) {
    auto meeting = std::make_shared<Meeting>(1);
    const auto reducer =
        Reducer::create(two_parameters(), c10::make_intrusive<ThreadBackend>(meeting, 0, 1), 25);
    EXPECT_THROW(reducer->finish({}), Error);
    reducer->begin();
    try {
        reducer->finish(std::vector<double>(9, 1.0));
        FAIL() << "no error";
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "the reducer takes at most 8 numbers, got 9");
    }
}

TEST(Reducer, AFailureOfTheBackendNamesTheCollective) {
    auto meeting = std::make_shared<Meeting>(1);
    auto backend = c10::make_intrusive<ThreadBackend>(meeting, 0, 1);
    backend->on_call = [](const Tensor&) { TORCH_CHECK(false, "connection reset by rank 1"); };
    const auto reducer = Reducer::create(two_parameters(), backend, 25);
    reducer->begin();
    try {
        reducer->finish({});
        FAIL() << "no error";
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(),
                     "all_reduce of gradients over threads failed: connection reset by rank 1");
    }
}

}  // namespace
}  // namespace ailab::test
