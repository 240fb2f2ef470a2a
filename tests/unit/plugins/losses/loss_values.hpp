#pragma once
// The losses, and the value of one as the core makes it of the terms of all ranks.
#include <gtest/gtest.h>

#include "plugins/make_module.hpp"

namespace ailab::test {

/// The plugin's losses, but for those that are made of others.
inline constexpr const char* losses[] = {
    "CrossEntropyLoss",
    "NLLLoss",
    "FocalLoss",
    "DiceLoss",
    "OHEMCrossEntropyLoss",
    "MSELoss",
    "L1Loss",
    "SmoothL1Loss",
    "HuberLoss",
    "PoissonNLLLoss",
    "KLDivLoss",
    "GaussianNLLLoss",
    "BCELoss",
    "BCEWithLogitsLoss",
    "MultiLabelSoftMarginLoss",
    "HingeEmbeddingLoss",
    "SoftMarginLoss",
    "MarginRankingLoss",
    "MultiMarginLoss",
    "MultiLabelMarginLoss",
    "CosineEmbeddingLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
    "CTCLoss",
};

/// Samples begin … end of `whole`. `dims`: the dimension of the samples by field, if it is not 0.
inline Batch slice(const Batch& whole, int64_t begin, int64_t end,
                   const std::map<std::string, int64_t>& dims = {}) {
    Batch part;
    for (const auto& [name, field] : whole.fields) {
        const auto dim = dims.find(name);
        part.set(name,
                 std::get<Tensor>(field).slice(dim == dims.end() ? 0 : dim->second, begin, end));
    }
    part.size = end - begin;
    part.global_size = whole.global_size;
    return part;
}

/// `whole` cut before each of `cuts`: {2, 2} gives three ranks, of which the second has no samples.
inline std::vector<Batch> split(const Batch& whole, std::vector<int64_t> cuts,
                                const std::map<std::string, int64_t>& dims = {}) {
    cuts.insert(cuts.begin(), 0);
    cuts.push_back(whole.global_size);
    std::vector<Batch> ranks;
    for (size_t i = 0; i + 1 < cuts.size(); ++i)
        ranks.push_back(slice(whole, cuts[i], cuts[i + 1], dims));
    return ranks;
}

/// Each term over all ranks: its sums over its weights, without its scale; and the total with it.
struct LossValue {
    Tensor total;
    std::vector<double> terms;
    std::vector<double> scales;
};

inline LossValue value_of(Loss& loss, const std::vector<Batch>& ranks) {
    const std::vector<std::string> names = loss.term_names();
    std::vector<Tensor> sums(names.size()), weights(names.size());
    std::vector<double> scales(names.size());
    for (const Batch& batch : ranks) {
        if (batch.size == 0) continue;
        const std::vector<LossTerm> terms = loss.terms(batch);
        EXPECT_EQ(terms.size(), names.size());
        for (size_t i = 0; i < terms.size(); ++i) {
            const LossTerm& term = terms[i];
            EXPECT_EQ(term.name, names[i]);
            EXPECT_EQ(term.sum.dim(), 0);
            if (term.weight) {
                EXPECT_TRUE(loss.has_own_weights());
                EXPECT_FALSE(term.weight->requires_grad());
                EXPECT_FALSE(term.is_mean);
            }
            const Tensor n = torch::full({}, double(batch.size), at::kDouble);
            const Tensor sum = term.is_mean ? term.sum * n : term.sum;
            const Tensor weight = term.weight ? *term.weight : n;
            sums[i] = sums[i].defined() ? sums[i] + sum : sum;
            weights[i] = weights[i].defined() ? weights[i] + weight : weight;
            scales[i] = term.scale;
        }
    }
    LossValue value;
    value.scales = scales;
    for (size_t i = 0; i < names.size(); ++i) {
        const Tensor mean = sums[i] / weights[i];
        value.terms.push_back(mean.item<double>());
        const Tensor share = mean * scales[i];
        value.total = value.total.defined() ? value.total + share : share;
    }
    return value;
}

/// A batch of all samples.
inline Batch batch_of(std::initializer_list<std::pair<const std::string, BatchField>> fields,
                      int64_t samples) {
    Batch batch(fields);
    batch.size = batch.global_size = samples;
    return batch;
}

}  // namespace ailab::test
