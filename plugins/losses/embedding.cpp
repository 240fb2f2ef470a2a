// Losses of embeddings: what belongs together is to lie near.
#include "reduced_loss.hpp"

namespace ailab {
namespace {

class CosineEmbeddingLoss final : public ReducedLoss {
  public:
    struct Options : ReductionOption {
        double margin = 0;
        void visit(OptionVisitor& v) {
            v.option("margin", margin, "the cosine of others may be this high", between(-1, 1));
            ReductionOption::visit(v);
        }
    };
    explicit CosineEmbeddingLoss(const Options& o)
        : ReducedLoss("CosineEmbeddingLoss", o.reduction), margin_(o.margin) {}

    std::vector<std::string> inputs() const override { return {"input1", "input2", "target"}; }

  protected:
    Tensor reduced(const Batch& inputs) override {
        const Tensor& input1 = inputs.tensor("input1");
        const Tensor& target = inputs.tensor("target");
        check_one_shape(loss(), inputs, {"input1", "input2"});
        if (input1.dim() != 2 || target.numel() != input1.size(0))
            throw Error(
                concat("CosineEmbeddingLoss: input1 and input2 must be [N, features] and "
                       "target [N] of 1 and -1.",
                       got(inputs)));
        check_signs(loss(), target);
        return at::cosine_embedding_loss(input1, inputs.tensor("input2"), target.flatten(), margin_,
                                         reduction());
    }

  private:
    const double margin_;
};

class TripletLoss : public ReducedLoss {
  public:
    std::vector<std::string> inputs() const override { return {"anchor", "positive", "negative"}; }

  protected:
    using ReducedLoss::ReducedLoss;

    virtual Tensor compare(const Tensor& anchor, const Tensor& positive,
                           const Tensor& negative) = 0;

    Tensor reduced(const Batch& inputs) final {
        check_one_shape(loss(), inputs, {"anchor", "positive", "negative"});
        const Tensor& anchor = inputs.tensor("anchor");
        if (anchor.dim() < 2)
            throw Error(concat(loss(), ": anchor must be [N, …, features].", got(inputs)));
        return compare(anchor, inputs.tensor("positive"), inputs.tensor("negative"));
    }
};

struct TripletOptions : ReductionOption {
    double margin = 1;
    bool swap = false;
    void visit(OptionVisitor& v) {
        v.option("margin", margin, "how much farther the negative is to be than the positive",
                 above(0));
        v.option("swap", swap,
                 "take the negative's distance from the positive if that is smaller (Balntas et "
                 "al. 2016)");
        ReductionOption::visit(v);
    }
};

class TripletMarginLoss final : public TripletLoss {
  public:
    struct Options : TripletOptions {
        double p = 2;
        double eps = 1e-6;
        void visit(OptionVisitor& v) {
            TripletOptions::visit(v);
            v.option("p", p, "the norm of the distance", above(0));
            v.option("eps", eps, "added to the differences", at_least(0));
        }
    };
    explicit TripletMarginLoss(const Options& options)
        : TripletLoss("TripletMarginLoss", options.reduction), o(options) {}

  protected:
    Tensor compare(const Tensor& anchor, const Tensor& positive, const Tensor& negative) override {
        return at::triplet_margin_loss(anchor, positive, negative, o.margin, o.p, o.eps, o.swap,
                                       reduction());
    }

  private:
    const Options o;
};

/// PyTorch's takes a function; here one is named.
class TripletMarginWithDistanceLoss final : public TripletLoss {
  public:
    struct Options : TripletOptions {
        std::string distance_function = "pairwise_distance";
        void visit(OptionVisitor& v) {
            v.option("distance_function", distance_function,
                     "pairwise_distance (Euclid's); squared_distance, its square; or "
                     "cosine_distance, 1 - cosine_similarity",
                     one_of({"pairwise_distance", "squared_distance", "cosine_distance"}));
            TripletOptions::visit(v);
        }
    };
    explicit TripletMarginWithDistanceLoss(const Options& options)
        : TripletLoss("TripletMarginWithDistanceLoss", options.reduction), o(options) {}

  protected:
    Tensor compare(const Tensor& anchor, const Tensor& positive, const Tensor& negative) override {
        const Tensor near = distance(anchor, positive);
        Tensor far = distance(anchor, negative);
        if (o.swap) far = at::minimum(far, distance(positive, negative));
        return reduce((o.margin + near - far).clamp_min(0));
    }

  private:
    Tensor distance(const Tensor& a, const Tensor& b) const {
        if (o.distance_function == "cosine_distance") return 1 - at::cosine_similarity(a, b, -1);
        if (o.distance_function == "squared_distance") return (a - b).square().sum(-1);
        return at::pairwise_distance(a, b);
    }

    const Options o;
};

}  // namespace

AILAB_REGISTER_LOSS(CosineEmbeddingLoss,
                    "Cosine of pairs [N, features] that belong together (target 1) or do not (-1)")
AILAB_REGISTER_LOSS(
    TripletMarginLoss,
    "Distances of anchor, positive and negative [N, features] (Balntas et al. 2016)")
AILAB_REGISTER_LOSS(TripletMarginWithDistanceLoss, "TripletMarginLoss with a distance by name")

}  // namespace ailab
