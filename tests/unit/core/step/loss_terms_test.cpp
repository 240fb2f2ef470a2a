#include "step/loss_terms.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace ailab {
namespace {

std::string complaint(const std::vector<LossTerm>& terms, const std::vector<std::string>& names,
                      bool own = false) {
    try {
        check_terms(terms, names, own, "loss \"L\"");
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

TEST(LossTerms, WhatIsRefused) {
    const Tensor one = at::scalar_tensor(1.0);
    EXPECT_EQ(complaint({{"loss", one}}, {"loss"}), "");
    EXPECT_EQ(complaint({}, {"loss"}),
              "loss \"L\" gave 0 terms and declares 1 (term_names(): loss)");
    EXPECT_EQ(complaint({{"a", one}}, {"b"}),
              "loss \"L\": term 0 is \"a\" and is declared as \"b\" in term_names()");
    EXPECT_EQ(complaint({{"loss", at::zeros({3})}}, {"loss"}),
              "loss \"L\": term \"loss\" must be a scalar, got shape [3]; reduce it with mean() or "
              "sum()");
    EXPECT_EQ(complaint({{"loss", Tensor()}}, {"loss"}),
              "loss \"L\": term \"loss\" must be a scalar, got an undefined tensor; reduce it with "
              "mean() or sum()");
    EXPECT_EQ(
        complaint({{"loss", one, one}}, {"loss"}),
        "loss \"L\": term \"loss\" has a weight of its own; override has_own_weights() to say so");
    EXPECT_EQ(complaint({{"loss", one, one}}, {"loss"}, true), "");
}

TEST(LossTerms, ValueIsSumAndWeight) {
    const TermValue sum = value_of({"l", at::scalar_tensor(6.0)}, 3);
    EXPECT_EQ(sum.sum / sum.weight, 2);
    LossTerm mean{.name = "l", .sum = at::scalar_tensor(2.0)};
    mean.is_mean = true;
    EXPECT_EQ(value_of(mean, 3).sum, 6);
    const TermValue own = value_of({"l", at::scalar_tensor(6.0), at::scalar_tensor(4.0)}, 3);
    EXPECT_EQ(own.weight, 4);
}

}  // namespace
}  // namespace ailab
