// Models that care for the dtype, the values or the number of what they are fed.
#include <ailab/ailab.hpp>

AILAB_PLUGIN("fed", "1.0", "Models that look at their inputs")

namespace {

using ailab::Tensor;

struct Sizes {
    int64_t features = 12;
    void visit(ailab::OptionVisitor& v) { v.option("features", features, "of a sample"); }
};

struct Classifier : ailab::Model {
    using Options = Sizes;
    explicit Classifier(const Options& o) {
        fc = register_module("fc", torch::nn::Linear(o.features, 3));
    }
    torch::nn::Linear fc{nullptr};
};

/// Scales pixels, and what is scaled already not.
struct FedBytes final : Classifier {
    using Classifier::Classifier;
    Tensor forward(const Tensor& x) override {
        const Tensor y = x.scalar_type() == torch::kByte ? x.to(torch::kFloat) / 255 : x;
        return fc(y.flatten(1));
    }
};
AILAB_REGISTER_MODEL(FedBytes, "takes pixels or numbers")

struct FedTokens final : Classifier {
    explicit FedTokens(const Options& o) : Classifier(o) {
        embedding = register_module("embedding", torch::nn::Embedding(100, o.features));
    }
    Tensor forward(const Tensor& x) override { return fc(embedding(x).mean(1)); }
    torch::nn::Embedding embedding{nullptr};
};
AILAB_REGISTER_MODEL(FedTokens, "takes tokens")

/// Decides by the values.
struct Branching final : Classifier {
    using Classifier::Classifier;
    Tensor forward(const Tensor& x) override {
        const Tensor y = x.max().item<float>() > 1.5f ? x / 255 : x;
        return fc(y.flatten(1));
    }
};
AILAB_REGISTER_MODEL(Branching, "branches")

/// Reads values and does the same whatever they are.
struct Checking final : Classifier {
    using Classifier::Classifier;
    Tensor forward(const Tensor& x) override {
        const bool is_zero = x.abs().max().item<float>() == 0;
        return fc((is_zero ? x * 2 : x).flatten(1));
    }
};
AILAB_REGISTER_MODEL(Checking, "looks, and does not care")

/// Asks C++ for its batch's size.
struct BySize final : Classifier {
    using Classifier::Classifier;
    Tensor forward(const Tensor& x) override {
        return fc(x.view({x.size(0), fc->options.in_features(), -1}).mean(2));
    }
};
AILAB_REGISTER_MODEL(BySize, "asks for the size")

class FedSamples final : public ailab::Dataset {
  public:
    struct Options {
        bool tokens = false;
        int64_t size = 12;
        void visit(ailab::OptionVisitor& v) {
            v.option("tokens", tokens, "integers");
            v.option("size", size, "samples");
        }
    };
    explicit FedSamples(const Options& options) : o_(options) {}
    int64_t size() const override { return o_.size; }
    ailab::Sample get(int64_t i, const ailab::SampleContext&) const override {
        const Tensor tokens = (torch::arange(12) * 7 + i) % 100;
        return {o_.tokens ? tokens : tokens.to(torch::kFloat) / 100, torch::tensor(i % 3)};
    }

  private:
    const Options o_;
};
AILAB_REGISTER_DATASET(FedSamples, "twelve numbers")

}  // namespace
